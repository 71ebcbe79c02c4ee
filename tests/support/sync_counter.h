#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <sys/types.h>

#include "child_process.h"
#include "temporary_directory.h"

namespace xa_tm::test {

/// Counts the calls by which the processes of a sandbox server make files durable: fsync, fdatasync
/// and msync, seen by strace. A server does such work in the background, too, so a count over some
/// dozen repetitions says more than one over a single transaction.
///
/// Ownership: owns the strace, which lets go of the server in the end; the server goes on.
/// Thread safety: one thread at a time.
class SyncCounter {
public:
    /// Counts from here on, also in processes and threads that are still to come. The server is run
    /// by this user, or this is root. Throws std::runtime_error when strace can't attach.
    explicit SyncCounter(const std::string& server);
    /// The same for other processes, all of whose children count too; the name is for messages.
    SyncCounter(const std::string& name, const std::vector<pid_t>& pids);
    SyncCounter(const SyncCounter&) = delete;
    SyncCounter& operator=(const SyncCounter&) = delete;
    /// Returns when the server is no longer traced.
    ~SyncCounter();

    /// The calls since the construction. Those that precede an answer of the server are counted
    /// once that answer has come.
    [[nodiscard]] std::size_t count() const;

private:
    [[nodiscard]] std::string file() const;

    TemporaryDirectory directory_;
    ChildProcess strace_;
};

}  // namespace xa_tm::test
