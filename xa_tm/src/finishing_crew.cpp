#include "finishing_crew.h"

#include <algorithm>
#include <utility>

#include "xa_tm/error.h"

namespace xa_tm {

std::optional<Answer> FinishingCrew::run(std::size_t count, const Next& next, const Take& take) {
    gather_hands(count);
    Gather gather{interrupt_};
    for (std::size_t hand = 0; hand < hands_.size(); ++hand) {
        give_job(hand, gather, next);
    }
    std::optional<Answer> lost;
    while (!gather.is_empty()) {
        auto arrival = gather.next(oldest_deadline());
        deadlines_[arrival.key].reset();
        if (arrival.answer.code == XaCode::rmfail) {
            lost = std::move(arrival.answer);
        } else {
            take(hands_[arrival.key].key, std::move(arrival.answer));
        }
        const bool goes_on = !lost && (interrupt_ == nullptr || !interrupt_->is_raised());
        if (goes_on && hands_[arrival.key].connection->is_reusable()) {
            give_job(arrival.key, gather, next);
        }
    }
    return lost;
}

void FinishingCrew::gather_hands(std::size_t count) {
    const auto wanted = std::clamp<std::size_t>(count / kRequestsPerConnection, 1, kConnectionsMax);
    hands_ = {{&first_}};
    while (hands_.size() < wanted) {
        try {
            further_.push_back(open_());
        } catch (const Error&) {
            break;  // the server takes no more: fewer hands do it as well
        }
        hands_.push_back({further_.back().get()});
    }
    deadlines_.assign(hands_.size(), std::nullopt);
}

void FinishingCrew::give_job(std::size_t hand, Gather& gather, const Next& next) {
    auto job = next();
    if (!job) {
        return;
    }
    auto& worker = hands_[hand];
    worker.key = job->key;
    worker.connection->send({std::move(job->request)});
    gather.expect(hand, *worker.connection);
    deadlines_[hand] = std::chrono::steady_clock::now() + answer_timeout_;
}

Deadline FinishingCrew::oldest_deadline() const {
    auto oldest = Deadline::max();
    for (const auto& deadline : deadlines_) {
        oldest = deadline ? std::min(oldest, *deadline) : oldest;
    }
    return oldest;
}

}  // namespace xa_tm
