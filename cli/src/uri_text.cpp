#include "uri_text.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "configuration.h"

namespace xa_tm::cli {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
constexpr std::string_view kDigits = "0123456789";
constexpr std::size_t kStars = 3;

bool is_one_of(std::string_view characters, char c) {
    return characters.find(c) != std::string_view::npos;
}

bool is_variable_name(std::string_view name) {
    return !name.empty() && is_one_of(kLetters, name.front()) &&
           std::ranges::all_of(
               name, [](char c) { return is_one_of(kLetters, c) || is_one_of(kDigits, c); });
}

std::string percent_encoded(std::string_view value) {
    std::string encoded;
    for (const char c : value) {
        if (is_one_of(kLetters, c) || is_one_of(kDigits, c) || is_one_of("-.~", c)) {
            encoded += c;
        } else {
            encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return encoded;
}

/// The value has one meaning there, and no character of it another.
bool is_value(std::string_view before, std::string_view behind) {
    const auto scheme_end = before.find("://");
    if (scheme_end == std::string_view::npos) {
        return false;
    }
    if (before.find('?') != std::string_view::npos) {
        return before.ends_with('=');
    }
    const auto at = behind.find('@');
    return at != std::string_view::npos && behind.find_first_of("/?") >= at &&
           before.find('/', scheme_end + 3) == std::string_view::npos;
}

std::string_view value_of(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) {
        throw ConfigurationError{fmt::format(
            "the environment variable {} is not set; set it, or write $${{{}}} if no variable is "
            "meant",
            name, name)};
    }
    return value;
}

/// Where the first password of the text that is not starred out yet begins and ends.
struct Span {
    std::size_t begin;
    std::size_t end;
};

/// Behind `password=`, up to the next parameter of a URI. Where it is no URI, nothing that may
/// stand in a password ends it.
std::vector<Span> passwords_of_parameters(std::string_view text) {
    constexpr std::string_view kKey = "password=";
    const auto address = address_begin(text);
    std::vector<Span> spans;
    for (auto at = text.find(kKey); at != std::string_view::npos; at = text.find(kKey, at)) {
        at += kKey.size();
        const auto end = address < at ? text.find('&', at) : std::string_view::npos;
        spans.push_back({at, std::min(end, text.size())});
        at = spans.back().end;
    }
    return spans;
}

/// Between the first : of an address and the last @: whatever stands between them may belong to a
/// password that is not encoded.
std::vector<Span> passwords_of_address(std::string_view text) {
    const auto scheme_end = text.find("://");
    if (scheme_end == std::string_view::npos) {
        return {};
    }
    const auto colon = text.find(':', scheme_end + 3);
    const auto at = text.rfind('@');
    if (colon == std::string_view::npos || at == std::string_view::npos || at < colon) {
        return {};
    }
    return {{colon + 1, at}};
}

std::string starred(std::string text, const std::vector<Span>& spans) {
    for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
        const auto length = span->end - span->begin;
        text.replace(span->begin, length, std::min(length, kStars), '*');
    }
    return text;
}

}  // namespace

std::string with_variables(std::string_view uri) {
    std::string expanded;
    const auto whole = uri;
    while (!uri.empty()) {
        const auto dollar = std::min(uri.find('$'), uri.size());
        expanded += uri.substr(0, dollar);
        uri.remove_prefix(dollar);
        if (uri.starts_with("$$")) {
            expanded += '$';
            uri.remove_prefix(2);
        } else if (uri.starts_with("${")) {
            const auto end = uri.find('}');
            const std::string name{uri.substr(2, end == std::string_view::npos ? end : end - 2)};
            if (end == std::string_view::npos || !is_variable_name(name)) {
                throw ConfigurationError{
                    "${ is not followed by the name of an environment variable and }; write $$ "
                    "for a dollar"};
            }
            const auto before = whole.substr(0, whole.size() - uri.size());
            uri.remove_prefix(end + 1);
            const auto value = value_of(name);
            expanded += is_value(before, uri) ? percent_encoded(value) : std::string{value};
        } else if (!uri.empty()) {
            expanded += '$';
            uri.remove_prefix(1);
        }
    }
    return expanded;
}

std::size_t address_begin(std::string_view text) noexcept {
    auto begin = std::string_view::npos;
    for (const std::string_view scheme :
         {"postgresql://", "postgres://", "mysql://", "mariadb://"}) {
        if (const auto at = text.find(scheme); at != std::string_view::npos) {
            begin = std::min(begin, at + scheme.size());
        }
    }
    return begin;
}

std::string without_passwords(std::string_view text) {
    // Parameters first: a @ in one of them is not the end of an address.
    auto masked = starred(std::string{text}, passwords_of_parameters(text));
    const auto of_address = passwords_of_address(masked);
    return starred(std::move(masked), of_address);
}

void mask_passwords(int argc, char** argv) noexcept {
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        const auto masked = without_passwords(argument);
        std::memset(std::copy(masked.begin(), masked.end(), argv[i]), 0,
                    argument.size() - masked.size());
    }
}

}  // namespace xa_tm::cli
