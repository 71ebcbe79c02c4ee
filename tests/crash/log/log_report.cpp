#include "log_report.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <iterator>
#include <system_error>
#include <type_traits>

#include <fmt/format.h>
#include <unistd.h>

namespace xa_tm::recovery_log {
namespace {

static_assert(std::has_unique_object_representations_v<Report>, "it is written as it stands");

/// The number in front of `end`, both taken off the text.
template <typename Number>
std::optional<Number> take_number(std::string_view& text, char end) {
    Number number{};
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || stop == text.data() + text.size() || *stop != end) {
        return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(stop - text.data()) + 1);
    return number;
}

}  // namespace

std::string body_of(const Origin& origin) {
    auto body = fmt::format("run {}/thread {}/number {}/bytes {}:", origin.run, origin.thread,
                            origin.number, origin.bytes);
    // Different bytes for each entry, so that pages of two entries are never the same by accident.
    std::uint64_t state = origin.number * 1'000'003 + origin.thread * 131 + origin.run;
    while (body.size() < origin.bytes) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        body += static_cast<char>(state >> 56U);
    }
    return body;
}

std::optional<Origin> origin_of(std::span<const std::byte> body) {
    const std::string_view whole{reinterpret_cast<const char*>(body.data()), body.size()};
    auto text = whole;
    const auto take = [&text]<typename Number>(std::string_view label, char end, Number& into) {
        if (!text.starts_with(label)) {
            return false;
        }
        text.remove_prefix(label.size());
        const auto number = take_number<Number>(text, end);
        into = number.value_or(Number{});
        return number.has_value();
    };
    Origin origin{};
    const bool is_origin = take("run ", '/', origin.run) && take("thread ", '/', origin.thread) &&
                           take("number ", '/', origin.number) && take("bytes ", ':', origin.bytes);
    if (!is_origin || origin.bytes != whole.size() || body_of(origin) != whole) {
        return std::nullopt;
    }
    return origin;
}

void send_reports(int descriptor, std::span<const Report> reports) {
    const auto bytes = std::as_bytes(reports);
    if (::write(descriptor, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
        throw std::system_error{errno, std::generic_category(), "cannot send reports"};
    }
}

std::vector<Report> read_reports(const std::filesystem::path& file) {
    std::ifstream stream{file, std::ios::binary};
    const std::string bytes{std::istreambuf_iterator<char>{stream}, {}};
    std::vector<Report> reports(bytes.size() / sizeof(Report));
    std::copy_n(bytes.data(), reports.size() * sizeof(Report),
                reinterpret_cast<char*>(reports.data()));
    return reports;
}

}  // namespace xa_tm::recovery_log
