#include "statement_text.h"

namespace xa_tm::mysql {
namespace {

constexpr auto kNowhere = std::string_view::npos;

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

bool begins_line_comment(std::string_view text) noexcept {
    // "--" is two minus signs unless white space or a control character follows.
    return text.starts_with('#') ||
           (text.starts_with("--") && (text.size() == 2 || (text[2] >= 0 && text[2] <= ' ')));
}

std::size_t end_of_block_comment(std::string_view text, std::size_t at) noexcept {
    const auto inside = text.substr(at + 2);
    if (inside.starts_with('!') || inside.starts_with("M!")) {
        return kNowhere;
    }
    const auto end = text.find("*/", at + 2);
    return end == kNowhere ? kNowhere : end + 2;
}

}  // namespace

std::string_view without_end(std::string_view statement) noexcept {
    const auto last = statement.find_last_not_of("; \t\r\n\f\v");
    return last == kNowhere ? std::string_view{} : statement.substr(0, last + 1);
}

bool is_surely_one(std::string_view statement) noexcept {
    const auto text = without_end(statement);
    std::size_t at = 0;
    while (at < text.size()) {
        const auto rest = text.substr(at);
        if (rest.starts_with(';') || rest.starts_with('\0')) {
            return false;
        }
        if (rest.starts_with('\'') || rest.starts_with('"') || rest.starts_with('`')) {
            at = end_of_quoted(text, at);
        } else if (begins_line_comment(rest)) {
            at = end_of_line(text, at);
        } else if (rest.starts_with("/*")) {
            at = end_of_block_comment(text, at);
        } else {
            ++at;
        }
    }
    return !text.empty() && at != kNowhere;
}

}  // namespace xa_tm::mysql
