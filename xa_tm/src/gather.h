#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include <poll.h>

#include "interrupt.h"
#include "xa_tm/commit_operation.h"
#include "xa_tm/connection.h"

namespace xa_tm {

using Deadline = std::chrono::steady_clock::time_point;

/// Why an answer that was not waited for any longer counts as lost.
inline constexpr std::string_view kNotInTime = "the server did not answer in time";

/// The deadline as poll() wants it.
[[nodiscard]] int milliseconds_until(Deadline deadline) noexcept;
[[nodiscard]] pollfd to_pollfd(const Connection::Readiness& readiness) noexcept;

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

    // The parts of it, for who waits for other things as well.

    /// An answer that has arrived, without waiting.
    [[nodiscard]] std::optional<Arrival> take();
    /// Waits until something may have arrived. False when there is nothing more to wait for: the
    /// deadline has passed, whatever else happened, or the interrupt came.
    [[nodiscard]] bool wait(Deadline deadline) const;
    /// All that has not arrived, as answers that will not be waited for.
    [[nodiscard]] std::vector<Arrival> give_up(std::string_view why);
    /// What to poll before the next take(), by key; adds to `waits`.
    void append_waits(std::vector<CommitOperation::Wait>& waits) const;

private:
    struct Waiting {
        std::size_t key;
        Connection* connection;
    };

    std::vector<Waiting> waiting_;
    const Interrupt* interrupt_;
};

/// Sends one request and waits for its answer; XAER_RMFAIL when none came in time, or before the
/// interrupt: the session has to be closed then.
[[nodiscard]] Answer exchange(Connection& connection, Request request,
                              std::chrono::milliseconds timeout,
                              const Interrupt* interrupt = nullptr);

}  // namespace xa_tm
