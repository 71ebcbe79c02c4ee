#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "xa_tm/logged_decision.h"
#include "xa_tm/recovery_report.h"

namespace xa_tm {

class TransactionManager;

/// What a person wants done with one transaction, or with its branch at one resource.
struct Order {
    OrderVerb verb;
    /// As RecoveryTransaction::gtrid shows it.
    std::string gtrid;
    /// Only the branch at this resource; empty for all.
    std::string resource = {};
    std::string reason;
    /// Who, as USER@HOST.
    std::string who;
    /// The person has read which rule speaks against it.
    bool is_forced = false;
    /// The code under the consequences that the person has read; see Verdict::confirmation.
    std::string confirmation = {};
};

enum class Permission {
    granted,
    needs_force,         ///< a rule speaks against it, and a person may know better
    needs_confirmation,  ///< it tears data, or may; every consequence has to be confirmed
    refused,             ///< it can't be done, or it is never right
};

[[nodiscard]] std::string_view to_string(Permission permission) noexcept;

/// What the rules say to an order.
struct Verdict {
    Permission permission;
    /// Which rule, as a sentence; what would have to be different when it is refused.
    std::string why;
    /// What will be, or may be, as a sentence each.
    std::vector<std::string> consequences = {};
    /// Stands for exactly these consequences and branches; an order that carries it has confirmed
    /// them. Only with needs_confirmation.
    std::string confirmation = {};
    /// What it acts on, as the report knows it; empty when it is refused.
    std::vector<RecoveryBranch> branches = {};
};

/// Pure: the order, and the report that it was judged by, are all that counts.
[[nodiscard]] Verdict judge(const Order& order, const RecoveryReport& report);

/// True when the order carries what the verdict asks for.
[[nodiscard]] bool is_permitted(const Order& order, const Verdict& verdict) noexcept;

/// What became of an order.
struct OrderResult {
    Verdict verdict;
    /// False when the order was not permitted, so that nothing was done.
    bool is_carried_out = false;
    /// The branches of the verdict with what became of them. One whose reply was lost is
    /// unreachable, never committed or rolled_back; one that was refused is prepared, with the
    /// server's words as its reason.
    std::vector<RecoveryBranch> branches = {};
};

/// Carries out what a person orders, as the owner of the log: each order is judged by a look of its
/// own and written to the log, durably, before the first verb leaves.
///
/// Ownership: borrows a manager that is not started, and outlives it not.
/// Thread safety: one thread at a time.
class OperatorDesk {
public:
    explicit OperatorDesk(TransactionManager& manager) noexcept : manager_{manager} {}

    /// Throws Error: without a reason or a giver, or with more than 1000 bytes of one
    /// (invalid_configuration), when a resource that the order is about can't be connected to, or
    /// when the log refuses to keep the order. No branch was touched then. May be repeated.
    [[nodiscard]] OrderResult carry_out(const Order& order);

private:
    TransactionManager& manager_;
};

/// Everything that was ever ordered with this log, oldest first. Reads beside its owner. Throws
/// Error when the log can't be read.
[[nodiscard]] std::vector<OperatorAct> operator_acts(const std::filesystem::path& log_directory);

}  // namespace xa_tm
