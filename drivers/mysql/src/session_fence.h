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
/// is it gone. A session is ours when it holds the named lock of one of the marks. Does no I/O
/// itself.
///
/// Ownership: a value. Thread safety: one thread at a time.
class SessionFence {
public:
    /// What to send next, or the answer to Verb::end_session.
    using Step = std::variant<std::vector<std::string>, Answer>;

    SessionFence(std::uint64_t number, const std::vector<std::string>& marks,
                 const ServerFacts& facts);
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
    std::string is_held_;  ///< SQL: whether the session holds one of our locks
    bool has_marks_;
    ServerFacts facts_;
    State state_ = State::looking;
};

}  // namespace xa_tm::mysql
