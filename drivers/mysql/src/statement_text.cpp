#include "statement_text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

namespace xa_tm::mysql {
namespace {

constexpr auto kNowhere = std::string_view::npos;
constexpr std::string_view kSpace = " \t\r\n\f\v";

bool is_ascii(char c) noexcept {
    return static_cast<unsigned char>(c) < 0x80;
}

bool may_be_in_name(char c) noexcept {
    return !is_ascii(c) || std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$';
}

/// Where a string or quoted name that begins at `at` ends, or kNowhere when that is not certain. A
/// doubled quote ends one string and begins the next, which comes to the same.
std::size_t end_of_quoted(std::string_view text, std::size_t at) noexcept {
    const char quote = text[at];
    for (++at; at < text.size(); ++at) {
        if (text[at] == '\\' && quote != '`') {
            return kNowhere;
        }
        if (text[at] == quote) {
            return at + 1;
        }
    }
    return kNowhere;
}

std::size_t end_of_line(std::string_view text, std::size_t at) noexcept {
    const auto end = text.find('\n', at);
    return end == kNowhere ? text.size() : end + 1;
}

/// "--" is two minus signs unless white space or a control character follows, and which bytes
/// beyond ASCII are one depends on the character set. A literal that begins with a blank would make
/// a comment of it.
std::size_t end_of_minus(std::string_view text, std::size_t at) noexcept {
    const auto rest = text.substr(at);
    if (!rest.starts_with("--")) {
        return at + 1;
    }
    if (rest.size() == 2 || (is_ascii(rest[2]) && rest[2] <= ' ')) {
        return end_of_line(text, at);
    }
    constexpr char kDelete = '\x7f';
    return !is_ascii(rest[2]) || rest[2] == kDelete || rest[2] == '?' ? kNowhere : at + 1;
}

std::size_t end_of_block_comment(std::string_view text, std::size_t at) noexcept {
    const auto inside = text.substr(at + 2);
    if (inside.starts_with('!') || inside.starts_with("M!")) {
        return kNowhere;
    }
    const auto end = text.find("*/", at + 2);
    return end == kNowhere ? kNowhere : end + 2;
}

/// Where the string, quoted name, comment or single character ends that begins at `at`, or kNowhere
/// when that is not certain.
std::size_t end_of_piece(std::string_view text, std::size_t at) noexcept {
    const bool is_behind_name = at > 0 && may_be_in_name(text[at - 1]);
    switch (text[at]) {
        case '\'':
        case '"':
        case '`': return end_of_quoted(text, at);
        case '#': return end_of_line(text, at);
        case '-': return end_of_minus(text, at);
        case '/':
            return text.substr(at).starts_with("/*") ? end_of_block_comment(text, at) : at + 1;
        case ';': return kNowhere;
        // MySQL begins a string with $$ or $word$, unless it is within a name.
        case '$': return is_behind_name ? at + 1 : kNowhere;
        // A name or variable would take in what stands in its place, or be its introducer.
        case '?': return is_behind_name || (at > 0 && text[at - 1] == '@') ? kNowhere : at + 1;
        default: return at + 1;
    }
}

/// Whether a byte is the second half of a character although the scanner takes it for more.
bool hides_special_byte(std::string_view text) noexcept {
    return std::ranges::adjacent_find(text, [](char first, char second) {
               return !is_ascii(first) && (second == '\\' || second == '`');
           }) != text.end();
}

/// The first word behind white space, comments and parentheses, in lower case; empty when it is
/// none, or longer than any that kind_of() knows.
std::string first_word(std::string_view text) {
    std::size_t at = 0;
    const auto is_before_word = [text](std::size_t place) {
        const auto rest = text.substr(place);
        return (kSpace.find(rest[0]) != kNowhere) || rest[0] == '(' || rest.starts_with("/*") ||
               rest[0] == '#' || rest.starts_with("--");
    };
    while (at < text.size() && is_before_word(at)) {
        at = end_of_piece(text, at);
    }
    constexpr std::size_t kLongest = 9;
    std::string word;
    for (; at < text.size() && may_be_in_name(text[at]) && word.size() <= kLongest; ++at) {
        word += static_cast<char>(std::tolower(static_cast<unsigned char>(text[at])));
    }
    return word;
}

}  // namespace

std::string_view without_end(std::string_view statement) noexcept {
    const auto last = statement.find_last_not_of("; \t\r\n\f\v");
    return last == kNowhere ? std::string_view{} : statement.substr(0, last + 1);
}

std::optional<std::vector<std::size_t>> placeholders_in(std::string_view statement,
                                                        Bytewise is_bytewise) {
    const auto text = without_end(statement);
    // A zero ends a comment, and perhaps more.
    if (text.empty() || text.find('\0') != kNowhere ||
        (is_bytewise == Bytewise::no && hides_special_byte(text))) {
        return std::nullopt;
    }
    std::vector<std::size_t> found;
    std::size_t at = 0;
    while (at < text.size()) {
        const auto end = end_of_piece(text, at);
        if (end == kNowhere) {
            return std::nullopt;
        }
        if (text[at] == '?') {
            found.push_back(at);
        }
        at = end;
    }
    return found;
}

bool is_surely_one(std::string_view statement, Bytewise is_bytewise) {
    return placeholders_in(statement, is_bytewise).has_value();
}

bool is_plain(std::string_view statement) noexcept {
    return std::ranges::all_of(without_end(statement), [](char c) {
        constexpr std::string_view kSigns = " \t\r\n_,.()=<>!+*%?";
        return is_ascii(c) &&
               (std::isalnum(static_cast<unsigned char>(c)) != 0 || kSigns.find(c) != kNowhere);
    });
}

Kind kind_of(std::string_view statement) {
    constexpr std::array<std::string_view, 9> kOneResult{"delete",  "insert",   "release",
                                                         "replace", "rollback", "savepoint",
                                                         "select",  "update",   "with"};
    const auto word = first_word(statement);
    if (std::ranges::find(kOneResult, word) != kOneResult.end()) {
        return Kind::one_result;
    }
    return word == "call" ? Kind::call : Kind::other;
}

}  // namespace xa_tm::mysql
