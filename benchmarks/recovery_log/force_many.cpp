#include "owned_log.h"

namespace xa_tm::bench {
namespace {

class ForceMany final : public LogContender {
public:
    explicit ForceMany(const LogPlace& place) : LogContender{"force_many", place} {}

protected:
    Tally force_decisions(recovery_log::RecoveryLog& log, Decider& decider,
                          const Window& window) const override {
        Tally tally;
        while (!window.is_over()) {
            std::vector<std::vector<std::byte>> bodies;
            std::vector<recovery_log::ForceRequest> requests;
            for (unsigned i = 0; i < kDecisionsInFlight; ++i) {
                bodies.push_back(decider.next_body());
                requests.push_back({decider.reserve(), bodies.back()});
            }
            const auto begin = Clock::now();
            const auto forced = log.force_many(std::move(requests));
            tally.add(window, begin, kDecisionsInFlight);
            for (unsigned i = 0; i < kDecisionsInFlight; ++i) {
                decider.settle(forced.at(i), decider.last_stamp() + 1 - kDecisionsInFlight + i);
            }
        }
        return tally;
    }
};

}  // namespace

std::unique_ptr<LogContender> make_force_many(const LogPlace& place) {
    return std::make_unique<ForceMany>(place);
}

}  // namespace xa_tm::bench
