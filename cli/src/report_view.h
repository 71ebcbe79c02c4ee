#pragma once

#include <string>
#include <string_view>

#include "xa_tm/recovery_report.h"

namespace xa_tm::cli {

/// What has been done with a branch, or with a transaction; else what is to be done.
[[nodiscard]] RecoveryAction done_or_to_do(const RecoveryBranch& branch) noexcept;
[[nodiscard]] RecoveryAction done_or_to_do(const RecoveryTransaction& transaction) noexcept;

/// True when every branch was committed, rolled back or found finished by this recovery.
[[nodiscard]] bool is_finished(const RecoveryTransaction& transaction) noexcept;

/// True when every branch named by the log has ended, and only the log is not told yet.
[[nodiscard]] bool is_merely_unforgotten(const RecoveryTransaction& transaction) noexcept;

/// True when no recovery will ever finish it: a person has to compare data, or find a log.
[[nodiscard]] bool waits_for_a_person(const RecoveryTransaction& transaction) noexcept;

/// The error of a resource that can't be reached. The library begins its messages with the
/// resource, which those who show it have named already.
[[nodiscard]] std::string_view without_name(const RecoveryResource& resource) noexcept;

/// The resource that a branch of ours was made for. That of the branch itself names the one whose
/// server listed it. Empty for a branch that is not ours.
[[nodiscard]] std::string_view home_of(TransactionState state,
                                       const RecoveryBranch& branch) noexcept;

/// The branch that the server of `alone`, which was asked alone, lists although it was made for
/// another resource of `all` whose own server does not list it: one of the two URIs is wrong. An
/// absent branch must not be taken for a finished one then. Null when there is none.
[[nodiscard]] const RecoveryBranch* find_misplaced(const RecoveryReport& all,
                                                   const RecoveryReport& alone) noexcept;

/// The same report with only the transactions of this gtrid.
[[nodiscard]] RecoveryReport only(RecoveryReport report, std::string_view gtrid);

/// As the exit code of every command: 0 nothing in doubt, 1 something, 3 not everything was read.
[[nodiscard]] int exit_code_of(const RecoveryReport& report) noexcept;

}  // namespace xa_tm::cli
