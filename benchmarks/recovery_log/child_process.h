#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>
#include <sys/types.h>

namespace xa_tm::bench {

/// This program once more, as another process that answers with one line of JSON.
///
/// Ownership: owns the process; the destructor waits for its end.
/// Thread safety: one thread at a time.
class ChildProcess {
public:
    /// Throws std::system_error.
    explicit ChildProcess(std::vector<std::string> arguments);
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    ~ChildProcess();

    /// Waits for the end. Throws std::runtime_error when it did not succeed.
    [[nodiscard]] nlohmann::json answer();

private:
    int wait();

    pid_t pid_ = -1;
    int out_ = -1;
};

}  // namespace xa_tm::bench
