#pragma once

#include <string>
#include <utility>
#include <vector>

namespace xa_tm::test {

/// How a program that was run to its end has ended.
struct Completed {
    int exit_code;  ///< -1 when a signal ended it
    int signal;     ///< 0 when it exited
    std::string out;
    std::string err;
};

/// Runs a program to its end, with nothing to read and these variables added to our environment.
/// One that has not ended after two minutes is killed. Throws std::system_error when it can't be
/// started.
[[nodiscard]] Completed run_program(
    std::vector<std::string> arguments,
    const std::vector<std::pair<std::string, std::string>>& environment = {});

/// For the message of a failed expectation: everything about the program.
std::ostream& operator<<(std::ostream& stream, const Completed& completed);

}  // namespace xa_tm::test
