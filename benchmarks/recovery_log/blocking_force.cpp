#include "owned_log.h"

namespace xa_tm::bench {
namespace {

class BlockingForce final : public LogContender {
public:
    explicit BlockingForce(const LogPlace& place) : LogContender{"force", place} {}

protected:
    Tally force_decisions(recovery_log::RecoveryLog& log, Decider& decider,
                          const Window& window) const override {
        Tally tally;
        while (!window.is_over()) {
            auto reservation = decider.reserve();
            const auto body = decider.next_body();
            const auto begin = Clock::now();
            const auto forced = log.force(std::move(reservation), body);
            tally.add(window, begin);
            decider.settle(forced, decider.last_stamp());
        }
        return tally;
    }
};

}  // namespace

std::unique_ptr<LogContender> make_blocking_force(const LogPlace& place) {
    return std::make_unique<BlockingForce>(place);
}

}  // namespace xa_tm::bench
