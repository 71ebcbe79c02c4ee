#pragma once

#include <future>
#include <string>
#include <vector>

#include "child_process.h"

namespace xa_tm::test {

/// A program that runs while the rig does other things; its output is taken all the while.
///
/// Ownership: owns the process, which is killed and reaped with this object.
/// Thread safety: one thread at a time.
class Program {
public:
    explicit Program(std::vector<std::string> arguments);
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;
    ~Program();

    [[nodiscard]] bool has_ended() const;
    /// Nothing happens once it has ended.
    void signal(int signal) const;
    /// Waits for its end, as ChildProcess::wait().
    [[nodiscard]] Completed end();

private:
    ChildProcess process_;
    std::shared_future<Completed> completed_;
};

}  // namespace xa_tm::test
