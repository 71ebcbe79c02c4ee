#pragma once

#include <memory>
#include <string>
#include <vector>

namespace xa_tm::bench {

/// One of the two databases of a pair: reached through the proxy or directly.
struct Account {
    std::string server;  ///< its name in scripts/sandbox
    std::string uri;
};

/// One way to write one row in each of two databases, in both or in neither.
///
/// Ownership: owns its connections.
/// Thread safety: run() is called from threads() threads at once.
class Contender {
public:
    virtual ~Contender() = default;
    [[nodiscard]] virtual std::string name() const = 0;
    [[nodiscard]] virtual unsigned threads() const { return 1; }
    /// One global transaction that adds 1 to the balance of this account in both databases. Throws
    /// std::runtime_error when it does not commit.
    virtual void run(int account) = 0;
};

/// The verbs by the C clients, one after the other, as one writes them without a transaction
/// manager: no decision is logged, and nothing recovers what a crash leaves.
[[nodiscard]] std::unique_ptr<Contender> make_hand_written(const std::vector<Account>& pair);
/// The same verbs with as many in one trip as the servers take, still one branch after the other.
[[nodiscard]] std::unique_ptr<Contender> make_hand_folded(const std::vector<Account>& pair);

/// Statements over SOCI.
[[nodiscard]] std::unique_ptr<Contender> make_soci(const std::vector<Account>& pair);
/// Statements by Branch::execute().
[[nodiscard]] std::unique_ptr<Contender> make_execute(const std::vector<Account>& pair);
/// Each branch's only statement by Branch::execute_last().
[[nodiscard]] std::unique_ptr<Contender> make_execute_last(const std::vector<Account>& pair);
/// The same in more threads than there are connections: one to the second database, two to the
/// first, so that somebody always waits for each.
[[nodiscard]] std::unique_ptr<Contender> make_chained(const std::vector<Account>& pair);

/// The statement that every contender runs.
[[nodiscard]] std::string update_of(int account);

}  // namespace xa_tm::bench
