#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "interrupt.h"
#include "xa_tm/connection.h"

namespace xa_tm {

using Deadline = std::chrono::steady_clock::time_point;

/// The second half of scatter and gather: waits for the answers of many connections with one poll.
///
/// Ownership: borrows the connections until their answers have arrived, and the interrupt.
/// Thread safety: one thread at a time.
class Gather {
public:
    struct Arrival {
        std::size_t key;
        Answer answer;
        /// False when the deadline passed or the interrupt came first: the answer is XAER_RMFAIL
        /// and the session has to be closed.
        bool is_answered;
    };

    explicit Gather(const Interrupt* interrupt = nullptr) noexcept : interrupt_{interrupt} {}

    /// A verb has been sent over this connection; its answer will arrive under `key`.
    void expect(std::size_t key, Connection& connection) { waiting_.push_back({key, &connection}); }
    [[nodiscard]] bool is_empty() const noexcept { return waiting_.empty(); }
    /// The next answer that arrives, in any order. Not called when empty. An answer that is there
    /// is given even after the deadline.
    [[nodiscard]] Arrival next(Deadline deadline);

private:
    struct Waiting {
        std::size_t key;
        Connection* connection;
    };

    [[nodiscard]] bool wait(Deadline deadline) const;

    std::vector<Waiting> waiting_;
    const Interrupt* interrupt_;
};

/// Sends one request and waits for its answer; XAER_RMFAIL when none came in time, or before the
/// interrupt: the session has to be closed then.
[[nodiscard]] Answer exchange(Connection& connection, Request request,
                              std::chrono::milliseconds timeout,
                              const Interrupt* interrupt = nullptr);

}  // namespace xa_tm
