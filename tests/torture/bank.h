#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "xa_tm/outcome.h"

// What the application under torture and the rig that judges it have to agree on.
namespace xa_tm::test {

inline constexpr std::string_view kBankNode = "torture-1";
inline constexpr int kBankAccounts = 64;
inline constexpr std::size_t kBankDatabasesMax = 4;

/// How the application means a transfer to end.
enum class BankIntent {
    commit,
    refuse,     ///< a branch at a PostgreSQL that takes part votes no
    roll_back,  ///< by the application itself
    overdraw,   ///< by rows that are expected, and are not there
    repeat,     ///< by a statement that is refused: its line is in the ledger already
};

/// How a transfer's statements are given to the transaction manager.
enum class BankCall {
    branches,  ///< one after another, to branches of a transaction that was begun
    by_keys,   ///< all at once, in its turn among those with the same conflict key
    combined,  ///< likewise, and whoever is in front may carry it
};

/// By what road a transfer goes to its end; a part of the mix each.
struct BankWay {
    /// The database that takes part as last resource: it is not prepared, and decides.
    std::optional<std::size_t> last_resource = {};
    /// Answers once it is decided.
    bool is_early = false;
    /// Carried on by an event loop, while the thread goes on with its next transfer.
    bool is_async = false;
    /// Of the whole transaction; 0: the manager's own.
    int timeout_ms = 0;
    BankCall call = BankCall::branches;

    friend bool operator==(const BankWay&, const BankWay&) = default;
};

/// A sum that moves between some of the databases, told before anything of it is begun.
struct BankTransfer {
    /// Never used twice, not even by another process.
    std::int64_t id = 0;
    int account = 0;
    std::int64_t amount = 0;
    /// The bit 1 << i is set when database i takes part.
    unsigned parties = 0;
    BankIntent intent = BankIntent::commit;
    BankWay way = {};

    friend bool operator==(const BankTransfer&, const BankTransfer&) = default;
};

[[nodiscard]] bool takes_part(const BankTransfer& transfer, std::size_t database) noexcept;
/// What this database gains; the first one that takes part pays for all others.
[[nodiscard]] std::int64_t share_of(const BankTransfer& transfer, std::size_t database) noexcept;

/// Stands for the gtrid of a transfer that could not be begun, because the log refused.
inline constexpr std::string_view kNotBegun = "not-begun";

/// What the application was told of its transfer; after an early answer once more, in the end.
struct BankOutcome {
    std::int64_t id = 0;
    Outcome outcome = Outcome::unknown;
    bool is_settled = false;
    /// Its time was over before it was decided.
    bool is_timed_out = false;
    std::string gtrid = {};

    friend bool operator==(const BankOutcome&, const BankOutcome&) = default;
};

/// A line of the file by which the application tells the rig: written whole and at once, so that a
/// SIGKILL loses nothing that was acknowledged before.
[[nodiscard]] std::string to_line(const BankTransfer& transfer);
[[nodiscard]] std::string to_line(const BankOutcome& outcome);
/// Without the end of the line. Nothing for what is no such line.
[[nodiscard]] std::optional<std::variant<BankTransfer, BankOutcome>> parse_line(
    std::string_view line);

/// The statements of a transfer at one database.
[[nodiscard]] std::string change_account(const BankTransfer& transfer, std::size_t database);
[[nodiscard]] std::string write_down(const BankTransfer& transfer, std::size_t database);
/// As change_account(), of no row: nobody has so much.
[[nodiscard]] std::string overdraw_account(const BankTransfer& transfer);

/// How the application has ended, as its exit code.
enum BankExit : int {
    kBankDrained = 0,     ///< nothing of it is left in doubt
    kBankLeft = 1,        ///< something is, although it has waited
    kBankNoLog = 3,       ///< the log can't be opened now: another owner, or no space
    kBankPoisoned = 4,    ///< the log refuses for the rest of this incarnation
    kBankImpossible = 5,  ///< what must not happen in any surroundings
};

}  // namespace xa_tm::test
