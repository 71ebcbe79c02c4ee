#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <span>
#include <vector>

#include <poll.h>

namespace xa_tm::simulation {

class Fiber;

/// A machine without time of its own: fibers in the place of threads, a clock that moves only when
/// nothing is left to do at the present moment, and descriptors that can be polled. While one is
/// there, the product's own calls of poll(), of the clocks and of sleep come here (see
/// operating_system.cpp), so that its code runs as it is. One fiber runs at a time, so whatever
/// happens follows from the order of events alone.
///
/// Ownership: owns its fibers. One machine at a time in a process.
/// Thread safety: one thread.
class VirtualMachine {
public:
    using Duration = std::chrono::nanoseconds;
    /// Since the machine's beginning.
    using Time = std::chrono::nanoseconds;

    VirtualMachine();
    VirtualMachine(const VirtualMachine&) = delete;
    VirtualMachine& operator=(const VirtualMachine&) = delete;
    /// Every fiber has ended by then.
    ~VirtualMachine();

    /// The machine whose fibers this process runs; null when there is none.
    [[nodiscard]] static VirtualMachine* current() noexcept;

    [[nodiscard]] Time now() const noexcept { return now_; }
    /// What the wall clock is ahead of the steady one.
    [[nodiscard]] Duration wall_clock_offset() const noexcept { return wall_clock_offset_; }
    void set_wall_clock_offset(Duration offset) noexcept { wall_clock_offset_ = offset; }

    void after(Duration delay, std::function<void()> event);
    /// Begins to run at this moment, after everything that is due already.
    /// `owner` is whatever the caller wants to find again by owner().
    Fiber& spawn(std::function<void()> body, void* owner = nullptr);
    /// Of the running fiber; null outside of all.
    [[nodiscard]] void* owner() const noexcept;
    /// The fiber that runs now; null outside of all.
    [[nodiscard]] Fiber* running() const noexcept { return running_; }
    [[nodiscard]] static bool has_ended(const Fiber& fiber) noexcept;
    /// Lets a fiber that waits for anything go on, at this moment.
    void wake(Fiber& fiber);
    /// Of the running fiber: until the time has passed, or wake(). Outside of all fibers events
    /// happen meanwhile.
    void sleep(Duration duration);
    /// Of the running fiber: until wake().
    void suspend();

    [[nodiscard]] int open_descriptor();
    void close_descriptor(int descriptor);
    void set_readable(int descriptor, bool is_readable);
    [[nodiscard]] static bool owns(int descriptor) noexcept;
    /// As the system call.
    int poll(std::span<pollfd> descriptors, int timeout_ms);

    /// The next thing happens; false when nothing ever will.
    bool step();
    /// Nothing of what is due happens any more: for the end, while all that it concerns is there.
    void drop_events();

private:
    struct Event {
        Time time;
        std::uint64_t order;
        std::function<void()> action;
    };
    struct Later {
        bool operator()(const Event& one, const Event& other) const noexcept {
            return one.time != other.time ? one.time > other.time : one.order > other.order;
        }
    };
    struct Descriptor {
        bool is_open = false;
        bool is_readable = false;
        Fiber* waiting = nullptr;
    };

    void resume(Fiber& fiber);
    void leave(Fiber& fiber);
    static int mark_ready(std::span<pollfd> descriptors, const std::vector<Descriptor>& states);
    [[nodiscard]] Fiber* next_to_time_out() const noexcept;

    Time now_{0};
    Duration wall_clock_offset_{0};
    std::uint64_t order_ = 0;
    std::vector<Descriptor> descriptors_;
    std::vector<int> free_descriptors_;
    std::priority_queue<Event, std::vector<Event>, Later> events_;
    std::vector<std::unique_ptr<Fiber>> fibers_;
    Fiber* running_ = nullptr;
    struct Context;
    std::unique_ptr<Context> scheduler_;
    friend class Fiber;
};

}  // namespace xa_tm::simulation
