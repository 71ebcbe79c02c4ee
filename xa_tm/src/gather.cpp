#include "gather.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>
#include <system_error>
#include <utility>

#include "xa_tm/recovery_log/check.h"

namespace xa_tm {
namespace {

Gather::Arrival unanswered(std::size_t key, std::string_view why) {
    return {key, {.code = XaCode::rmfail, .message = std::string{why}}, false};
}

}  // namespace

int milliseconds_until(Deadline deadline) noexcept {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, INT_MAX));
}

pollfd to_pollfd(const Connection::Readiness& readiness) noexcept {
    const int events = (readiness.for_reading ? POLLIN : 0) | (readiness.for_writing ? POLLOUT : 0);
    return {readiness.descriptor, static_cast<short>(events), 0};
}

bool Gather::wait(Deadline deadline) const {
    std::vector<pollfd> descriptors;
    for (const auto& waiting : waiting_) {
        descriptors.push_back(to_pollfd(waiting.connection->readiness()));
    }
    if (interrupt_ != nullptr) {
        descriptors.push_back({interrupt_->descriptor(), POLLIN, 0});
    }
    const int ready = ::poll(descriptors.data(), descriptors.size(), milliseconds_until(deadline));
    XA_TM_CHECK(ready >= 0 || errno == EINTR || errno == EAGAIN || errno == ENOMEM,
                "poll is given valid memory and fewer descriptors than the process may open");
    return std::chrono::steady_clock::now() < deadline &&
           (interrupt_ == nullptr || !interrupt_->is_raised());
}

std::optional<Gather::Arrival> Gather::take() {
    for (auto waiting = waiting_.begin(); waiting != waiting_.end(); ++waiting) {
        if (auto answer = waiting->connection->receive()) {
            const auto key = waiting->key;
            waiting_.erase(waiting);
            return Arrival{key, std::move(*answer), true};
        }
    }
    return std::nullopt;
}

std::vector<Gather::Arrival> Gather::give_up(std::string_view why) {
    std::vector<Arrival> arrivals;
    for (const auto& waiting : std::exchange(waiting_, {})) {
        arrivals.push_back(unanswered(waiting.key, why));
    }
    return arrivals;
}

void Gather::append_waits(std::vector<CommitOperation::Wait>& waits) const {
    for (const auto& waiting : waiting_) {
        waits.push_back({waiting.key, waiting.connection->readiness()});
    }
}

Gather::Arrival Gather::next(Deadline deadline) {
    XA_TM_CHECK(!waiting_.empty(), "an answer is waited for only after a verb was sent");
    for (bool is_last_look = false;; is_last_look = !wait(deadline)) {
        if (auto arrival = take()) {
            return *std::move(arrival);
        }
        if (is_last_look) {
            const auto key = waiting_.front().key;
            waiting_.erase(waiting_.begin());
            return unanswered(key, kNotInTime);
        }
    }
}

Answer exchange(Connection& connection, Request request, std::chrono::milliseconds timeout,
                const Interrupt* interrupt) {
    connection.send({std::move(request)});
    Gather gather{interrupt};
    gather.expect(0, connection);
    return gather.next(std::chrono::steady_clock::now() + timeout).answer;
}

}  // namespace xa_tm
