#include "gather.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>

#include <poll.h>

#include "xa_tm/recovery_log/check.h"

namespace xa_tm {
namespace {

int milliseconds_until(Deadline deadline) noexcept {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, INT_MAX));
}

pollfd to_pollfd(const Connection& connection) noexcept {
    const auto readiness = connection.readiness();
    const int events = (readiness.for_reading ? POLLIN : 0) | (readiness.for_writing ? POLLOUT : 0);
    return {readiness.descriptor, static_cast<short>(events), 0};
}

/// False when the deadline passed before anything happened.
bool wait_for_any(std::vector<pollfd>& descriptors, Deadline deadline) {
    for (;;) {
        const int timeout = milliseconds_until(deadline);
        const int ready = ::poll(descriptors.data(), descriptors.size(), timeout);
        if (ready > 0) {
            return true;
        }
        if (ready == 0 && std::chrono::steady_clock::now() >= deadline) {
            return false;
        }
        XA_TM_CHECK(ready == 0 || errno == EINTR || errno == EAGAIN || errno == ENOMEM,
                    "poll is given valid memory and fewer descriptors than the process may open");
    }
}

}  // namespace

Gather::Arrival Gather::next(Deadline deadline) {
    XA_TM_CHECK(!waiting_.empty(), "an answer is waited for only after a verb was sent");
    std::vector<pollfd> descriptors;
    for (;;) {
        for (auto waiting = waiting_.begin(); waiting != waiting_.end(); ++waiting) {
            if (auto answer = waiting->connection->receive()) {
                const auto key = waiting->key;
                waiting_.erase(waiting);
                return {key, std::move(*answer), true};
            }
        }
        descriptors.clear();
        for (const auto& waiting : waiting_) {
            descriptors.push_back(to_pollfd(*waiting.connection));
        }
        if (!wait_for_any(descriptors, deadline)) {
            const auto key = waiting_.front().key;
            waiting_.erase(waiting_.begin());
            return {key,
                    {.code = XaCode::rmfail, .message = "the server did not answer in time"},
                    false};
        }
    }
}

Answer exchange(Connection& connection, Verb verb, const Xid& xid,
                std::chrono::milliseconds timeout) {
    connection.send(verb, xid);
    Gather gather;
    gather.expect(0, connection);
    return gather.next(std::chrono::steady_clock::now() + timeout).answer;
}

}  // namespace xa_tm
