#pragma once

#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace xa_tm::test {

/// How a program has ended.
struct Completed {
    int exit_code;  ///< -1 when a signal ended it
    int signal;     ///< 0 when it exited
    std::string out;
    std::string err;
};

/// For the message of a failed expectation: everything about the program.
std::ostream& operator<<(std::ostream& stream, const Completed& completed);

/// A program that runs beside the test, to be stopped, resumed and waited for.
///
/// Ownership: owns the process; one that still runs is killed and reaped.
/// Thread safety: one thread at a time.
class ChildProcess {
public:
    using Environment = std::vector<std::pair<std::string, std::string>>;

    /// Starts it with nothing to read and these variables added to our environment. Throws
    /// std::system_error.
    ChildProcess(std::vector<std::string> arguments, const Environment& environment = {});
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    ~ChildProcess();

    /// Waits until it has ended; one that has not after two minutes is killed.
    [[nodiscard]] Completed wait();
    /// Waits until it has stopped itself with SIGSTOP; false when it ended instead.
    [[nodiscard]] bool wait_until_stopped();
    void resume();
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

private:
    [[nodiscard]] bool take_output(Completed& completed);

    pid_t pid_ = -1;
    int out_ = -1;
    int err_ = -1;
    int status_ = 0;
    bool is_reaped_ = false;
};

/// Runs a program to its end.
[[nodiscard]] Completed run_program(std::vector<std::string> arguments,
                                    const ChildProcess::Environment& environment = {});

}  // namespace xa_tm::test
