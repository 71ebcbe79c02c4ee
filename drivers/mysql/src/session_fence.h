#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "client_api.h"
#include "server_facts.h"
#include "xa_tm/connection.h"

namespace xa_tm::mysql {

/// Ends one session of ours at the server, step by step: is it there, is it provably ours, end it,
/// is it gone. It is ours when it holds its own named lock (session_mark.h). Does no I/O itself.
///
/// Ownership: a value. Thread safety: one thread at a time.
class SessionFence {
public:
    /// What to send next, or the answer to Verb::end_session.
    using Step = std::variant<std::vector<std::string>, Answer>;

    /// A session with this process's mark that has the number, but not the lock, is a younger one.
    SessionFence(const SessionId& session, const std::string& mark, const ServerFacts& facts);
    /// The first statements to send.
    [[nodiscard]] std::vector<std::string> look() const;
    /// What follows from the replies to the statements that were sent last, none of which is a lost
    /// connection.
    [[nodiscard]] Step take(std::span<const Reply> replies);

private:
    enum class State { looking, ending, looking_again, waiting };

    [[nodiscard]] Step looked(const Reply& reply);
    [[nodiscard]] Step ended(const Reply& reply);

    std::uint64_t number_;
    std::string own_lock_;
    std::string is_held_;     ///< SQL: whether the session is there, for certain
    std::string is_younger_;  ///< SQL: whether a session with the mark has the number
    ServerFacts facts_;
    State state_ = State::looking;
};

}  // namespace xa_tm::mysql
