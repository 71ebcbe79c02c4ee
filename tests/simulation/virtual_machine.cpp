// Invariants:
// - events and fibers' deadlines are taken in the order of time, and of their making where that is
//   the same;
// - only step() resumes a fiber, from outside of all fibers;
// - a fiber's wait has a number; whoever wakes it names that, so that no late wake ends another
//   wait.

#include "virtual_machine.h"

#include <algorithm>
#include <utility>

#include <cxxabi.h>
#include <ucontext.h>

#include "xa_tm/recovery_log/check.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace xa_tm::simulation {
namespace {

constexpr std::size_t kStackBytes = std::size_t{256} << 10;
constexpr int kFirstDescriptor = 1 << 24;
constexpr auto kNever = VirtualMachine::Time::max();

VirtualMachine* current_machine = nullptr;

/// The exceptions that a fiber is at handling are its own (Itanium C++ ABI: Exception Handling,
/// __cxa_eh_globals).
struct Exceptions {
    void* caught = nullptr;
    unsigned uncaught = 0;
};

}  // namespace

/// One flow of control with its registers.
struct VirtualMachine::Context {
    ucontext_t registers{};
    Exceptions exceptions;
    void* stack = nullptr;
    std::size_t stack_bytes = 0;
    void* sanitizer_stack = nullptr;
    void* sanitizer_fiber = nullptr;

    /// Goes over to the other one, until somebody comes back.
    void switch_to(Context& other) {
        auto& globals = *reinterpret_cast<Exceptions*>(abi::__cxa_get_globals());
        exceptions = std::exchange(globals, other.exceptions);
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_start_switch_fiber(&sanitizer_stack, other.stack, other.stack_bytes);
#endif
#if defined(__SANITIZE_THREAD__)
        __tsan_switch_to_fiber(other.sanitizer_fiber, 0);
#endif
        XA_TM_CHECK(::swapcontext(&registers, &other.registers) == 0, "both contexts are valid");
        arrive();
    }
    void arrive() const {
#if defined(__SANITIZE_ADDRESS__)
        const void* from = nullptr;
        std::size_t bytes = 0;
        __sanitizer_finish_switch_fiber(sanitizer_stack, &from, &bytes);
        if (scheduler != nullptr) {
            scheduler->stack = const_cast<void*>(from);
            scheduler->stack_bytes = bytes;
        }
#endif
    }
    /// Where a fiber comes from; null for the scheduler itself.
    Context* scheduler = nullptr;
};

class Fiber {
public:
    explicit Fiber(VirtualMachine& machine)
        : machine_{machine}, stack_{std::make_unique<char[]>(kStackBytes)} {
        context_.stack = stack_.get();
        context_.stack_bytes = kStackBytes;
        context_.scheduler = machine.scheduler_.get();
#if defined(__SANITIZE_THREAD__)
        context_.sanitizer_fiber = __tsan_create_fiber(0);
#endif
        XA_TM_CHECK(::getcontext(&context_.registers) == 0, "it only copies registers");
        context_.registers.uc_stack.ss_sp = stack_.get();
        context_.registers.uc_stack.ss_size = kStackBytes;
        context_.registers.uc_link = nullptr;
        const auto address = reinterpret_cast<std::uintptr_t>(this);
        ::makecontext(&context_.registers, reinterpret_cast<void (*)()>(&Fiber::enter), 2,
                      static_cast<unsigned>(address >> 32U), static_cast<unsigned>(address));
    }
#if defined(__SANITIZE_THREAD__)
    ~Fiber() {
        __tsan_destroy_fiber(context_.sanitizer_fiber);
    }
#endif
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

private:
    friend class VirtualMachine;

    static void enter(unsigned high, unsigned low) {
        auto* fiber = reinterpret_cast<Fiber*>((std::uintptr_t{high} << 32U) | low);
        fiber->context_.arrive();
        for (;;) {
            fiber->body_();
            fiber->body_ = nullptr;
            fiber->machine_.leave(*fiber);
        }
    }

    VirtualMachine& machine_;
    std::unique_ptr<char[]> stack_;
    VirtualMachine::Context context_;
    /// Empty when the fiber has ended; its stack serves the next one.
    std::function<void()> body_;
    void* owner_ = nullptr;
    std::uint64_t wait_ = 0;
    bool is_waiting_ = false;
    VirtualMachine::Time deadline_ = kNever;
};

VirtualMachine::VirtualMachine() : scheduler_{std::make_unique<Context>()} {
    XA_TM_CHECK(current_machine == nullptr, "one machine at a time");
#if defined(__SANITIZE_THREAD__)
    scheduler_->sanitizer_fiber = __tsan_get_current_fiber();
#endif
    current_machine = this;
}

VirtualMachine::~VirtualMachine() {
    current_machine = nullptr;
}

VirtualMachine* VirtualMachine::current() noexcept {
    return current_machine;
}

void VirtualMachine::after(Duration delay, std::function<void()> event) {
    events_.push({now_ + delay, ++order_, std::move(event)});
}

void VirtualMachine::drop_events() {
    events_ = {};
}

void* VirtualMachine::owner() const noexcept {
    return running_ == nullptr ? nullptr : running_->owner_;
}

Fiber& VirtualMachine::spawn(std::function<void()> body, void* owner) {
    auto unused =
        std::ranges::find_if(fibers_, [](const auto& fiber) { return fiber->body_ == nullptr; });
    if (unused == fibers_.end()) {
        fibers_.push_back(std::make_unique<Fiber>(*this));
        unused = fibers_.end() - 1;
    }
    auto& fiber = **unused;
    fiber.body_ = std::move(body);
    fiber.owner_ = owner;
    fiber.is_waiting_ = true;
    wake(fiber);
    return fiber;
}

bool VirtualMachine::has_ended(const Fiber& fiber) noexcept {
    return fiber.body_ == nullptr;
}

void VirtualMachine::wake(Fiber& fiber) {
    if (fiber.is_waiting_) {
        after(Duration{0}, [this, &fiber, wait = fiber.wait_] {
            if (fiber.is_waiting_ && fiber.wait_ == wait) {
                resume(fiber);
            }
        });
    }
}

void VirtualMachine::resume(Fiber& fiber) {
    fiber.is_waiting_ = false;
    fiber.deadline_ = kNever;
    ++fiber.wait_;
    running_ = &fiber;
    scheduler_->switch_to(fiber.context_);
    running_ = nullptr;
}

/// The running fiber gives way to the scheduler.
void VirtualMachine::leave(Fiber& fiber) {
    fiber.context_.switch_to(*scheduler_);
}

void VirtualMachine::suspend() {
    XA_TM_CHECK(running_ != nullptr, "only a fiber can wait for being woken");
    running_->is_waiting_ = true;
    leave(*running_);
}

void VirtualMachine::sleep(Duration duration) {
    const auto deadline = now_ + duration;
    if (running_ != nullptr) {
        running_->deadline_ = deadline;
        suspend();
        return;
    }
    bool is_over = false;
    after(duration, [&is_over] { is_over = true; });
    while (!is_over) {
        step();
    }
}

int VirtualMachine::open_descriptor() {
    if (free_descriptors_.empty()) {
        free_descriptors_.push_back(static_cast<int>(descriptors_.size()));
        descriptors_.emplace_back();
    }
    const int index = free_descriptors_.back();
    free_descriptors_.pop_back();
    descriptors_[static_cast<std::size_t>(index)] = {.is_open = true};
    return kFirstDescriptor + index;
}

void VirtualMachine::close_descriptor(int descriptor) {
    descriptors_[static_cast<std::size_t>(descriptor - kFirstDescriptor)] = {};
    free_descriptors_.push_back(descriptor - kFirstDescriptor);
}

void VirtualMachine::set_readable(int descriptor, bool is_readable) {
    auto& state = descriptors_[static_cast<std::size_t>(descriptor - kFirstDescriptor)];
    state.is_readable = is_readable;
    if (is_readable && state.waiting != nullptr) {
        wake(*std::exchange(state.waiting, nullptr));
    }
}

bool VirtualMachine::owns(int descriptor) noexcept {
    return descriptor >= kFirstDescriptor;
}

int VirtualMachine::mark_ready(std::span<pollfd> polled, const std::vector<Descriptor>& states) {
    int ready = 0;
    for (auto& one : polled) {
        const auto& state = states[static_cast<std::size_t>(one.fd - kFirstDescriptor)];
        XA_TM_CHECK(state.is_open, "only open descriptors are polled");
        one.revents = state.is_readable ? static_cast<short>(one.events & POLLIN) : short{0};
        ready += one.revents != 0 ? 1 : 0;
    }
    return ready;
}

int VirtualMachine::poll(std::span<pollfd> polled, int timeout_ms) {
    const auto deadline = timeout_ms < 0 ? kNever : now_ + std::chrono::milliseconds{timeout_ms};
    const auto set_waiting = [&](Fiber* fiber) {
        for (const auto& one : polled) {
            descriptors_[static_cast<std::size_t>(one.fd - kFirstDescriptor)].waiting = fiber;
        }
    };
    int ready = mark_ready(polled, descriptors_);
    if (ready > 0) {
        return ready;
    }
    if (running_ != nullptr) {
        set_waiting(running_);
        running_->deadline_ = deadline;
        suspend();
        set_waiting(nullptr);
        return mark_ready(polled, descriptors_);
    }
    const auto is_over = std::make_shared<bool>(false);
    if (deadline != kNever) {
        after(deadline - now_, [is_over] { *is_over = true; });
    }
    while (ready == 0 && !*is_over && step()) {
        ready = mark_ready(polled, descriptors_);
    }
    return ready;
}

Fiber* VirtualMachine::next_to_time_out() const noexcept {
    Fiber* next = nullptr;
    for (const auto& fiber : fibers_) {
        if (fiber->deadline_ != kNever && (next == nullptr || fiber->deadline_ < next->deadline_)) {
            next = fiber.get();
        }
    }
    return next;
}

bool VirtualMachine::step() {
    XA_TM_CHECK(running_ == nullptr, "fibers wait, and the scheduler goes on");
    auto* fiber = next_to_time_out();
    if (events_.empty() && fiber == nullptr) {
        return false;
    }
    if (!events_.empty() && (fiber == nullptr || events_.top().time <= fiber->deadline_)) {
        // The queue only lends its top, and gives it away next.
        auto event = std::move(const_cast<Event&>(events_.top()));
        events_.pop();
        now_ = event.time;
        event.action();
        return true;
    }
    now_ = fiber->deadline_;
    resume(*fiber);
    return true;
}

}  // namespace xa_tm::simulation
