#include "xa_tm/recovery_log/log_id.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>

#include <fmt/compile.h>
#include <sys/random.h>

namespace xa_tm::recovery_log {

LogId LogId::generate() {
    LogId id;
    while (id.value_ == 0) {
        if (::getrandom(&id.value_, sizeof id.value_, 0) != sizeof id.value_) {
            throw std::system_error(errno, std::generic_category(), "getrandom");
        }
    }
    return id;
}

std::optional<LogId> LogId::parse(std::string_view text) noexcept {
    const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    if (text.size() != kTextLength || !std::ranges::all_of(text, is_digit)) {
        return std::nullopt;
    }
    LogId id;
    std::from_chars(text.data(), text.data() + text.size(), id.value_, 16);
    return id;
}

std::string LogId::to_string() const {
    return fmt::format(FMT_COMPILE("{:016x}"), value_);
}

}  // namespace xa_tm::recovery_log
