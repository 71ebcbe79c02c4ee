#include "xa_tm/recovery_log/check.h"

#include <cstdio>
#include <cstdlib>

namespace xa_tm {

void check_failed(const char* condition, const char* why, const char* file, int line) noexcept {
    std::fprintf(stderr, "%s:%d: broken invariant: %s (%s)\n", file, line, condition, why);
    std::abort();
}

}  // namespace xa_tm
