#pragma once

#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "client_api.h"
#include "ending_sessions.h"
#include "xa_tm/connection.h"

namespace xa_tm::mysql {

/// Asks whether the sessions have ended that may have prepared a branch of another connection,
/// before that branch is finished: those of this process that are still ending, and those of
/// processes that have ended. A session of the latter kind that is still there is ended, since the
/// server may not notice for hours that its host has vanished. Does no I/O itself.
///
/// Ownership: shares the list of ending sessions with the datasource.
/// Thread safety: one thread at a time.
class SessionSearch {
public:
    /// Statements to send next; or the answer to the verb; or nothing, when all have ended and the
    /// branch can be finished behind kPauseBehindSession.
    using Step = std::variant<std::monostate, std::vector<std::string>, Answer>;

    /// `ended_marks` are the marks of processes that have ended.
    SessionSearch(std::shared_ptr<EndingSessions> ending_sessions,
                  std::vector<std::string> ended_marks);

    /// Whether there may be such a session.
    [[nodiscard]] bool is_needed() const;
    /// The first statements to send.
    [[nodiscard]] std::vector<std::string> look();
    /// What follows from the replies to the statements that were sent last.
    [[nodiscard]] Step take(Verb verb, std::span<const Reply> replies);

private:
    enum class State { looking, ending };

    [[nodiscard]] Step looked(Verb verb, std::span<const Reply> replies);

    std::shared_ptr<EndingSessions> ending_sessions_;
    std::vector<std::string> ended_marks_;  ///< of sessions that were not seen to have ended yet
    std::set<std::string> looked_for_;
    State state_ = State::looking;
};

}  // namespace xa_tm::mysql
