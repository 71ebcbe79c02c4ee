#include "xa_tm/recovery_log/crash_point.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>

#include <unistd.h>

#include "xa_tm/recovery_log/check.h"

namespace xa_tm {
namespace {

#ifdef XA_TM_CRASH_POINTS
#define XA_TM_CRASH_POINT_NAME(name) std::string_view{name},
constexpr auto kNames = std::to_array<std::string_view>({
#include "crash_points.def"
});
#undef XA_TM_CRASH_POINT_NAME
#else
constexpr std::array<std::string_view, 0> kNames{};
#endif

constexpr std::string_view kStopPrefix = "stop:";

struct Armed {
    std::string_view name;
    int hit = 1;
    int signal = SIGKILL;
};

Armed armed_by_environment() noexcept {
    const char* value = std::getenv("XA_TM_CRASH_POINT");
    if (value == nullptr) {
        return {};
    }
    std::string_view text{value};
    Armed armed;
    if (text.starts_with(kStopPrefix)) {
        armed.signal = SIGSTOP;
        text.remove_prefix(kStopPrefix.size());
    }
    const auto at = text.find('@');
    armed.name = text.substr(0, at);
    if (at != std::string_view::npos) {
        const auto count = text.substr(at + 1);
        const auto parsed = std::from_chars(count.data(), count.data() + count.size(), armed.hit);
        XA_TM_CHECK(parsed.ec == std::errc{} && armed.hit > 0,
                    "XA_TM_CRASH_POINT is [stop:]NAME[@K]");
    }
    XA_TM_CHECK(std::ranges::find(kNames, armed.name) != kNames.end(),
                "XA_TM_CRASH_POINT names a point of crash_points.def");
    return armed;
}

}  // namespace

std::span<const std::string_view> crash_point_names() noexcept {
    return kNames;
}

void reach_crash_point(std::string_view name) noexcept {
    static const Armed armed = armed_by_environment();
    static std::atomic<int> hits{0};
    if (armed.name.empty()) {
        return;
    }
    XA_TM_CHECK(std::ranges::find(kNames, name) != kNames.end(),
                "every crash point of the code stands in crash_points.def");
    if (name == armed.name && ++hits == armed.hit) {
        ::kill(::getpid(), armed.signal);
    }
}

}  // namespace xa_tm
