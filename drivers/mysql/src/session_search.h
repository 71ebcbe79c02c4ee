#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "client_api.h"
#include "ending_sessions.h"
#include "server_facts.h"
#include "xa_tm/connection.h"

namespace xa_tm::mysql {

/// Looks for the sessions that may have prepared, or may still prepare, a branch of another
/// connection: those of processes that have ended, by their marks, and those of this process that
/// are ending. The former are ended, since the server may not notice for hours that their host has
/// vanished. Where the server keeps a prepared branch with its session, it is waited until the
/// engine has let go of it as well. Does no I/O itself.
///
/// Ownership: shares what is known of ending sessions with the datasource.
/// Thread safety: one thread at a time.
class SessionSearch {
public:
    /// Statements to send next; or the answer, which is XA_OK when all have ended.
    using Step = std::variant<std::vector<std::string>, Answer>;
    enum class Aim {
        end_ended_sessions,  ///< Verb::end_ended_sessions
        free_branch,         ///< before another's branch is finished
    };

    SessionSearch(std::shared_ptr<EndingSessions> ending_sessions,
                  std::vector<std::string> ended_marks, const ServerFacts& facts);

    [[nodiscard]] bool has_marks() const noexcept { return !ended_marks_.empty(); }
    /// Whether the server keeps branches with their sessions, and there may be such a session.
    [[nodiscard]] bool is_needed_to_free_branch() const;
    /// The first statements to send.
    [[nodiscard]] std::vector<std::string> begin(Aim aim);
    /// What follows from the replies to the statements that were sent last, none of which is a lost
    /// connection.
    [[nodiscard]] Step take(std::span<const Reply> replies);

private:
    enum class State { looking, ending, looking_again, pausing };

    [[nodiscard]] std::vector<std::string> look() const;
    [[nodiscard]] Step looked(std::span<const Reply> replies);
    [[nodiscard]] Step ended(std::span<const Reply> replies);
    [[nodiscard]] Step look_again();
    [[nodiscard]] Step gone();
    [[nodiscard]] Answer finish();

    std::shared_ptr<EndingSessions> ending_sessions_;
    std::vector<std::string> ended_marks_;
    ServerFacts facts_;

    // The search in progress.
    State state_ = State::looking;
    Aim aim_ = Aim::end_ended_sessions;
    std::set<std::string> looked_for_;  ///< named locks of this process's ending sessions
    std::set<std::uint64_t> ended_;     ///< sessions that were told to end
    int looks_left_ = 0;
};

}  // namespace xa_tm::mysql
