#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace xa_tm::recovery_log {

/// Where an entry came from. Its body says this and nothing else, so that whoever finds it can tell
/// whether it is what was written.
struct Origin {
    std::uint32_t run;     ///< of the writer, from 1
    std::uint32_t thread;  ///< of that run, from 0
    std::uint64_t number;  ///< in that thread, from 0
    std::uint64_t bytes;   ///< length of the body

    friend auto operator<=>(const Origin&, const Origin&) = default;
};

/// The shortest body that has room for its origin.
inline constexpr std::uint64_t kBodyBytesMin = 64;

[[nodiscard]] std::string body_of(const Origin& origin);
/// Nothing when the body is not, byte for byte, the one of some origin.
[[nodiscard]] std::optional<Origin> origin_of(std::span<const std::byte> body);

/// What a writer tells about one entry.
struct Report {
    enum class Kind : std::uint64_t {
        found,         ///< its opening has found the entry
        opened,        ///< it has reported all that it found; no entry
        acknowledged,  ///< force() has answered: durable
        forgetting,    ///< forget() is about to be called
    };
    Kind kind;
    std::uint64_t id;
    Origin origin;
};

/// Appends the reports to the file by one write, which no other thread and no death cuts in two.
void send_reports(int descriptor, std::span<const Report> reports);
/// All that was sent; empty when the writer has not come to making the file.
[[nodiscard]] std::vector<Report> read_reports(const std::filesystem::path& file);

}  // namespace xa_tm::recovery_log
