#include "faults.h"

namespace xa_tm::test {

std::string_view to_string(Fault fault) noexcept {
    switch (fault) {
        case Fault::kill_application: return "application killed";
        case Fault::pause_application: return "application paused";
        case Fault::kill_server: return "server killed";
        case Fault::pause_server: return "server paused";
        case Fault::cut_link: return "link cut";
        case Fault::delay_link: return "link delayed";
        case Fault::lose_reply: return "reply lost";
        case Fault::fill_disk: return "log disk full";
        case Fault::run_tool: return "xa-recover run";
        case Fault::kill_tool: return "xa-recover killed";
    }
    return {};
}

}  // namespace xa_tm::test
