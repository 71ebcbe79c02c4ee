#pragma once

#include <string>

namespace xa_tm::cli {

/// Why a command has ended without an answer.
struct Failure {
    int exit_code;
    /// One line that says what to change; it never holds a password.
    std::string message;
};

/// Of the exception that is being handled: called in a `catch` alone.
[[nodiscard]] Failure current_failure();

}  // namespace xa_tm::cli
