#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <sys/types.h>

namespace xa_tm::bench {

/// A contender in a process of its own, with which we speak in lines of JSON.
///
/// Ownership: owns the process; one that still runs is told to end, given time to finish what it
/// is at, and killed only then, so that it leaves nothing prepared.
/// Thread safety: one thread at a time.
class ContenderProcess {
public:
    /// Starts COMMAND... WORKLOAD_FILE. The workload is written to `directory`, where its standard
    /// error goes too.
    ContenderProcess(std::vector<std::string> command, const nlohmann::json& workload,
                     const std::filesystem::path& directory);
    ContenderProcess(const ContenderProcess&) = delete;
    ContenderProcess& operator=(const ContenderProcess&) = delete;
    ~ContenderProcess();

    /// The next event it writes. Throws std::runtime_error with its own last words when it has
    /// ended or does not answer in time, and Interrupted.
    [[nodiscard]] nlohmann::json next_event(std::chrono::milliseconds patience);
    /// Lets it run so long, or until so many transactions are done, and gives its result. Throws
    /// the same.
    [[nodiscard]] nlohmann::json go(double seconds, std::optional<std::uint64_t> transactions = {});
    /// Waits until it has ended by itself, as it does at the end of its input.
    void close();

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

private:
    [[nodiscard]] std::string last_words() const;
    [[nodiscard]] std::string read_line(std::chrono::milliseconds patience);

    std::filesystem::path stderr_file_;
    pid_t pid_ = -1;
    int to_ = -1;
    int from_ = -1;
    std::string received_;
    std::chrono::milliseconds longest_go_{};
};

}  // namespace xa_tm::bench
