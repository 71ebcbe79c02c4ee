#pragma once

#include <functional>
#include <memory>
#include <string>

#include "options.h"
#include "xa_tm/recovery_report.h"
#include "xa_tm/transaction_manager.h"

/// What the commands have in common that act as the log's owner.
namespace xa_tm::cli {

/// Throws ConfigurationError when a branch of the report belongs to a resource that is not given: a
/// name that the application does not use is most likely a slip, and would leave branches behind.
void check_names(const RecoveryReport& report);

/// A transaction manager over the request's log and resources, not started: this process owns the
/// log, and has raised its incarnation, until it is destroyed. Throws Error (log_in_use) when
/// another process is its owner.
[[nodiscard]] std::unique_ptr<TransactionManager> take_log(const Request& request,
                                                           const std::string& node);

/// Looks, and acts on what it saw. An application that starts in between takes the log first: then
/// it looks once more, up to three times.
[[nodiscard]] int look_and_act(const std::function<int()>& attempt);

}  // namespace xa_tm::cli
