#include <array>
#include <atomic>

#include "owned_log.h"

namespace xa_tm::bench {
namespace {

using namespace recovery_log;

/// One decision under way. Written by the thread that issues it while it is idle, and by the one
/// that completes it while it is not.
struct Slot {
    std::atomic<bool> is_idle{true};
    bool is_answered = false;
    std::uint64_t stamp = 0;
    Clock::time_point begin;
    Tally tally;
    Forced forced{};
};

class ForceAsync final : public LogContender {
public:
    explicit ForceAsync(const LogPlace& place) : LogContender{"force_async", place} {}

protected:
    Tally force_decisions(RecoveryLog& log, Decider& decider, const Window& window) const override {
        std::array<Slot, kDecisionsInFlight> slots;
        for (std::size_t next = 0; !window.is_over(); next = (next + 1) % slots.size()) {
            auto& slot = slots[next];
            finish(slot, decider);
            auto reservation = decider.reserve();
            auto body = decider.next_body();
            slot.stamp = decider.last_stamp();
            slot.is_idle.store(false, std::memory_order_relaxed);
            slot.begin = Clock::now();
            log.force_async(std::move(reservation), std::move(body),
                            [&slot, &window](const Forced& forced) {
                                slot.tally.add(window, slot.begin);
                                slot.forced = forced;
                                slot.is_answered = true;
                                slot.is_idle.store(true, std::memory_order_release);
                                slot.is_idle.notify_one();
                            });
        }
        Tally tally;
        for (auto& slot : slots) {
            finish(slot, decider);
            tally.merge(slot.tally);
        }
        return tally;
    }

private:
    /// Waits for the answer, if there is one to come, and settles the decision.
    static void finish(Slot& slot, Decider& decider) {
        slot.is_idle.wait(false, std::memory_order_acquire);
        if (std::exchange(slot.is_answered, false)) {
            decider.settle(slot.forced, slot.stamp);
        }
    }
};

}  // namespace

std::unique_ptr<LogContender> make_force_async(const LogPlace& place) {
    return std::make_unique<ForceAsync>(place);
}

}  // namespace xa_tm::bench
