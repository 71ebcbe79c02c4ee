#pragma once

#include <span>
#include <string>
#include <variant>
#include <vector>

#include "client_api.h"
#include "server_facts.h"
#include "xa_tm/connection.h"

namespace xa_tm::mysql {

/// Finds out what a prepared branch holds and whom it blocks, step by step. The servers do not say
/// which transaction of the engine a branch is. MySQL tells which of its threads, at which event,
/// has taken a lock, and which xid that thread was at then: for as long as it remembers. Else a
/// branch is known only when it is the only one; where it is one of many, all are shown. Does no
/// I/O itself.
///
/// Ownership: a value. Thread safety: one thread at a time.
class Examination {
public:
    /// What to send next, or the answer to Verb::examine.
    using Step = std::variant<std::vector<std::string>, Answer>;

    Examination(Xid xid, const ServerFacts& facts);
    /// The first statements to send.
    [[nodiscard]] std::vector<std::string> look() const;
    /// What follows from the replies to the statements that were sent last, none of which is a lost
    /// connection.
    [[nodiscard]] Step take(std::span<const Reply> replies);

private:
    [[nodiscard]] Step looked(std::span<const Reply> replies);
    [[nodiscard]] std::vector<std::string> details() const;
    [[nodiscard]] Answer detailed(std::span<const Reply> replies);
    void add_totals();
    void add_caveat(std::string text);
    void add_missing_right(const Reply& reply);

    Xid xid_;
    bool is_mariadb_;

    bool has_looked_ = false;
    std::vector<std::string> transactions_;  ///< the engine's, which the branch is or may be
    std::uint64_t tables_locked_ = 0;        ///< by them
    std::uint64_t rows_locked_ = 0;
    Holdings holdings_;
};

}  // namespace xa_tm::mysql
