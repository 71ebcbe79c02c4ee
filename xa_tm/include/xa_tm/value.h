#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace xa_tm {

/// Binary data, as an argument of a statement; a string is text.
struct Bytes {
    std::string data;

    friend bool operator==(const Bytes&, const Bytes&) = default;
};

/// An argument of a statement; nullptr is NULL. Text is in the connection's character set.
using Value =
    std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::string, Bytes>;

[[nodiscard]] inline Value to_value(Value value) {
    return value;
}
[[nodiscard]] inline Value to_value(std::nullptr_t) {
    return nullptr;
}
[[nodiscard]] inline Value to_value(std::nullopt_t) {
    return nullptr;
}
[[nodiscard]] inline Value to_value(bool value) {
    return value;
}
template <std::signed_integral T>
[[nodiscard]] Value to_value(T value) {
    return std::int64_t{value};
}
template <std::unsigned_integral T>
[[nodiscard]] Value to_value(T value) {
    return std::uint64_t{value};
}
template <std::floating_point T>
[[nodiscard]] Value to_value(T value) {
    return static_cast<double>(value);
}
[[nodiscard]] inline Value to_value(std::string_view value) {
    return std::string{value};
}
[[nodiscard]] inline Value to_value(const std::string& value) {
    return value;
}
[[nodiscard]] inline Value to_value(const char* value) {
    return std::string{value};
}
[[nodiscard]] inline Value to_value(std::span<const std::byte> value) {
    return Bytes{{reinterpret_cast<const char*>(value.data()), value.size()}};
}
[[nodiscard]] inline Value to_value(Bytes value) {
    return value;
}
template <class T>
[[nodiscard]] Value to_value(const std::optional<T>& value) {
    return value ? to_value(*value) : Value{nullptr};
}

/// The rows that a statement gave, each value in the server's text form; nothing is NULL.
struct ResultSet {
    std::vector<std::string> columns = {};
    std::vector<std::vector<std::optional<std::string>>> rows = {};

    friend bool operator==(const ResultSet&, const ResultSet&) = default;
};

}  // namespace xa_tm
