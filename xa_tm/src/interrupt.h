#pragma once

#include <atomic>

namespace xa_tm {

/// Ends waits early: while raised, it makes everyone who watches it give up waiting.
///
/// Ownership: owns its descriptor; outlives whoever watches it.
/// Thread safety: all members may be called from several threads at once.
class Interrupt {
public:
    /// Throws std::system_error when the process may open no more descriptors.
    Interrupt();
    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;
    ~Interrupt();

    void raise() noexcept;
    /// Makes it as new. Not at the same time as raise().
    void lower() noexcept;
    [[nodiscard]] bool is_raised() const noexcept { return is_raised_; }
    /// Readable while it is raised.
    [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

private:
    int descriptor_;
    std::atomic<bool> is_raised_{false};
};

}  // namespace xa_tm
