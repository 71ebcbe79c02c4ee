#pragma once

#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace xa_tm::test {

/// A program that runs beside the test, to be stopped, resumed and waited for.
///
/// Ownership: owns the process; one that still runs is killed and reaped.
/// Thread safety: one thread at a time.
class ChildProcess {
public:
    using Environment = std::vector<std::pair<std::string, std::string>>;

    /// Starts it with these variables added to our environment; its standard output is kept.
    /// Throws std::system_error.
    ChildProcess(std::vector<std::string> arguments, const Environment& environment);
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    ~ChildProcess();

    struct End {
        int exit_code;  ///< -1 when a signal ended it
        int signal;     ///< 0 when it exited
        std::string output;
    };

    /// Waits until it has ended.
    [[nodiscard]] End wait();
    /// Waits until it has stopped itself with SIGSTOP; false when it ended instead.
    [[nodiscard]] bool wait_until_stopped();
    void resume();
    void kill();
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

private:
    pid_t pid_ = -1;
    int output_ = -1;
    int status_ = 0;
    bool is_reaped_ = false;
};

}  // namespace xa_tm::test
