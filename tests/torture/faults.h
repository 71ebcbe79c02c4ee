#pragma once

#include <array>
#include <string_view>

namespace xa_tm::test {

/// What the rig does to a system at work.
enum class Fault {
    kill_application,   ///< SIGKILL, and a new one later
    pause_application,  ///< SIGSTOP, and SIGCONT later
    kill_server,        ///< SIGKILL to all its processes, and a restart later
    pause_server,       ///< SIGSTOP to all its processes, and SIGCONT later
    cut_link,           ///< its connections are cut, and new ones refused for a while
    delay_link,         ///< a slow network for a while
    lose_reply,         ///< a verb reaches its server, the answer is lost with the connection
    fill_disk,          ///< the disk of the log has no space for a while
    run_tool,           ///< xa-recover is at work beside all that
    kill_tool,          ///< SIGKILL to it
};

inline constexpr std::array kFaults{
    Fault::kill_application, Fault::pause_application, Fault::kill_server, Fault::pause_server,
    Fault::cut_link,         Fault::delay_link,        Fault::lose_reply,  Fault::fill_disk,
    Fault::run_tool,         Fault::kill_tool,
};

[[nodiscard]] std::string_view to_string(Fault fault) noexcept;

}  // namespace xa_tm::test
