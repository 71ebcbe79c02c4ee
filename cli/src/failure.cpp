#include "failure.h"

#include <exception>

#include "configuration.h"
#include "exit_code.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::cli {

Failure current_failure() {
    try {
        throw;
    } catch (const ConfigurationError& error) {
        return {kUsage, error.what()};
    } catch (const Error& error) {
        const bool is_configuration = error.code() == ErrorCode::invalid_configuration ||
                                      error.code() == ErrorCode::log_foreign_node;
        return {is_configuration ? kUsage : kUnreadable, error.what()};
    } catch (const recovery_log::LogError& error) {
        const bool is_foreign = error.code() == recovery_log::LogErrorCode::foreign_node;
        return {is_foreign ? kUsage : kUnreadable, error.what()};
    } catch (const std::exception& error) {
        return {kUnreadable, error.what()};
    }
}

}  // namespace xa_tm::cli
