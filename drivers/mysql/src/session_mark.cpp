#include "session_mark.h"

#include <random>

#include <fmt/format.h>

#include "xa_tm/mysql/session_condition.h"
#include "xid_literal.h"

namespace xa_tm::mysql {
namespace {

constexpr std::size_t kLockNameBytesMax = 64;
constexpr std::size_t kNumberBytesMax = 20;
constexpr std::size_t kMarkBytesMax = kLockNameBytesMax - kNumberBytesMax - 1;
constexpr std::size_t kChecksumBytes = 16;

/// FNV-1a: the same in every build, which a process of another build must be able to rely on.
std::uint64_t checksum(std::string_view text) noexcept {
    std::uint64_t sum = 0xcbf29ce484222325;
    for (const char c : text) {
        sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
    return sum;
}

}  // namespace

std::string lock_prefix(std::string_view mark) {
    if (mark.size() <= kMarkBytesMax) {
        return fmt::format("{}/", mark);
    }
    return fmt::format("{}~{:016x}/", mark.substr(0, kMarkBytesMax - kChecksumBytes - 1),
                       checksum(mark));
}

std::string lock_name(std::string_view mark, std::uint64_t session_number) {
    return fmt::format("{}{}", lock_prefix(mark), session_number);
}

std::string unique_lock_name() {
    return "xa_tm/" + random_digits();
}

std::string random_digits() {
    std::random_device random;
    return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

SessionOrigin SessionOrigin::of(const SessionId& session) {
    const auto space = session.since.find(' ');
    return {session.since.substr(0, space),
            space == std::string::npos ? std::string{} : session.since.substr(space + 1)};
}

std::string SessionOrigin::to_string() const {
    return own_lock.empty() ? server_started : fmt::format("{} {}", server_started, own_lock);
}

std::string session_condition(std::string_view mark) {
    return fmt::format("is_used_lock(concat({}, id)) = id", text_literal(lock_prefix(mark)));
}

}  // namespace xa_tm::mysql
