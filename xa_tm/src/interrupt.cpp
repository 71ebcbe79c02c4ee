#include "interrupt.h"

#include <cerrno>
#include <cstdint>
#include <system_error>

#include <sys/eventfd.h>
#include <unistd.h>

#include "xa_tm/recovery_log/check.h"

namespace xa_tm {

Interrupt::Interrupt() : descriptor_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
    if (descriptor_ < 0) {
        throw std::system_error(errno, std::generic_category(), "eventfd");
    }
}

Interrupt::~Interrupt() {
    ::close(descriptor_);
}

void Interrupt::raise() noexcept {
    if (is_raised_.exchange(true)) {
        return;
    }
    const std::uint64_t one = 1;
    XA_TM_CHECK(::write(descriptor_, &one, sizeof one) == sizeof one, "an eventfd takes a first 1");
}

void Interrupt::lower() noexcept {
    if (!is_raised_.exchange(false)) {
        return;
    }
    std::uint64_t count = 0;
    XA_TM_CHECK(::read(descriptor_, &count, sizeof count) == sizeof count, "it was written");
}

}  // namespace xa_tm
