// Invariants:
// - strace flushes its file after every line, and a call's line is written before the call returns
//   to the server; so the file is complete up to the last answer that the server has given.
// - A call that another thread interrupts gets a second line, "<... fsync resumed>", which has no
//   parenthesis after its name and is not counted.

#include "sync_counter.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "eventually.h"
#include "sandbox.h"

namespace xa_tm::test {
namespace {

constexpr std::array<std::string_view, 3> kSyncs{" fsync(", " fdatasync(", " msync("};

std::vector<std::string> strace_arguments(const std::vector<pid_t>& pids, const std::string& file) {
    std::vector<std::string> arguments{
        "/usr/bin/strace", "-f", "-qq", "-e", "trace=fsync,fdatasync,msync", "-e",
        "signal=none",     "-o", file};
    for (const auto pid : pids) {
        arguments.insert(arguments.end(), {"-p", std::to_string(pid)});
    }
    return arguments;
}

bool is_traced(const std::filesystem::path& thread, pid_t tracer) {
    std::ifstream status{thread / "status"};
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("TracerPid:")) {
            return std::stoi(line.substr(line.find(':') + 1)) == tracer;
        }
    }
    return true;  // it has ended
}

/// All threads of a process; one that has ended counts.
bool is_process_traced(pid_t pid, pid_t tracer) {
    std::error_code ended;
    const std::filesystem::directory_iterator threads{fmt::format("/proc/{}/task", pid), ended};
    return ended || std::ranges::all_of(begin(threads), end(threads), [tracer](const auto& thread) {
               return is_traced(thread.path(), tracer);
           });
}

}  // namespace

SyncCounter::SyncCounter(const std::string& server) : SyncCounter{server, sandbox::pids(server)} {}

SyncCounter::SyncCounter(const std::string& name, const std::vector<pid_t>& pids)
    : strace_{strace_arguments(pids, file()), {}} {
    const auto is_attached = [&] {
        return std::ranges::all_of(
            pids, [this](pid_t pid) { return is_process_traced(pid, strace_.pid()); });
    };
    if (!eventually(is_attached)) {
        ::kill(strace_.pid(), SIGTERM);
        throw std::runtime_error(
            fmt::format("strace can't attach to {}: {}", name, strace_.wait().err));
    }
}

SyncCounter::~SyncCounter() {
    ::kill(strace_.pid(), SIGTERM);
    static_cast<void>(strace_.wait());
}

std::size_t SyncCounter::count() const {
    std::ifstream lines{file()};
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line);) {
        count += std::ranges::any_of(
            kSyncs, [&line](auto name) { return line.find(name) != std::string::npos; });
    }
    return count;
}

std::string SyncCounter::file() const {
    return directory_.path() / "syncs";
}

}  // namespace xa_tm::test
