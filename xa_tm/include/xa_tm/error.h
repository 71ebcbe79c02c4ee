#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace xa_tm {

enum class ErrorCode {
    invalid_configuration,  ///< a name, node, URI or option that can't be; says what to change
    log_not_found,          ///< the log directory, or a log in it, does not exist
    log_in_use,             ///< another process owns the log
    log_foreign_node,       ///< the log was made for another node
    log_damaged,            ///< the log may have lost a decision, or can't be understood
    log_lost,               ///< a server holds branches of this node with another log
    log_outdated,           ///< the log is an old copy of itself: later decisions are missing
    log_unavailable,        ///< the log's file system refused a call, or keeps no promises
    log_refuses_decisions,  ///< the log is full or poisoned: no new transaction may start
    resource_unreachable,   ///< host unknown, server down, connection refused or lost
    authentication_failed,  ///< the server refused the user or the password
    two_phase_unavailable,  ///< the server can't prepare transactions as it is configured
    resource_refused,       ///< the server refused a verb that comes before any outcome
    statement_failed,       ///< the server refused a statement of the application
    unexpected_rows,        ///< a statement had another number of rows than it was to have
    conflict,               ///< the server gave a statement up for another transaction's locks or
                            ///< changes: deadlock, serialization failure, lock wait
    timed_out,              ///< the transaction took too long and is rolled back
    pool_exhausted,         ///< no connection became free in time
    invalid_state,          ///< the transaction, branch or manager has ended or is not started yet
};

/// What fails before a transaction has an outcome: open, begin, enlist. what() is one line for a
/// person that says what to change; it never holds a password.
class Error : public std::runtime_error {
public:
    struct Details {
        ErrorCode code;
        /// Name of the resource; empty when none is concerned.
        std::string resource = {};
        /// As the server gave it; empty when it gave none.
        std::string sqlstate = {};
        /// errno of MySQL or MariaDB; 0 when there is none.
        int native_error = 0;
    };

    Error(Details details, const std::string& message)
        : std::runtime_error(message), details_{std::move(details)} {}

    [[nodiscard]] ErrorCode code() const noexcept { return details_.code; }
    [[nodiscard]] const std::string& resource() const noexcept { return details_.resource; }
    [[nodiscard]] const std::string& sqlstate() const noexcept { return details_.sqlstate; }
    [[nodiscard]] int native_error() const noexcept { return details_.native_error; }
    /// True when the same call may succeed later without a change by a person: after a conflict or
    /// timed_out in a new transaction.
    [[nodiscard]] bool is_retryable() const noexcept {
        return code() == ErrorCode::resource_unreachable || code() == ErrorCode::pool_exhausted ||
               code() == ErrorCode::conflict || code() == ErrorCode::timed_out;
    }

private:
    Details details_;
};

}  // namespace xa_tm
