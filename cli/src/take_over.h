#pragma once

#include <functional>
#include <memory>
#include <string>

#include "options.h"
#include "xa_tm/recovery_report.h"
#include "xa_tm/transaction_manager.h"

/// The way into the place of a transaction manager that has died.
namespace xa_tm::cli {

/// Before the log is opened, which raises its incarnation: a name that the application does not use
/// is most likely a slip, and would leave branches behind. Throws ConfigurationError when a branch
/// is of a resource that is not given.
void check_names(const RecoveryReport& report);

/// Becomes the owner of the log, with every resource added. Throws Error (log_in_use while another
/// process owns it) and ConfigurationError.
[[nodiscard]] std::unique_ptr<TransactionManager> take_over(const Request& request,
                                                            const std::string& node);

/// Looks, and acts on what it saw, by `attempt`. An application that starts in between takes the
/// log first: then it looks once more, up to three times.
[[nodiscard]] int look_and_act(const std::function<int()>& attempt);

}  // namespace xa_tm::cli
