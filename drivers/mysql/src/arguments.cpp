#include "arguments.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <variant>

#include <fmt/format.h>

#include "xa_tm/recovery_log/check.h"
#include "xa_tm/xid.h"

namespace xa_tm::mysql {
namespace {

/// With an exponent, which makes it a double where the server would read a decimal number.
std::string literal_of_double(double value) {
    std::array<char, 32> digits{};  // 17 digits, two signs, point, e and three more at most
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value,
                                   std::chars_format::scientific)
                         .ptr;
    return {digits.data(), end};
}

bool is_finite(const Value& value) {
    const auto* number = std::get_if<double>(&value);
    return number == nullptr || std::isfinite(*number);
}

bool is_plain_between_quotes(const Value& value) noexcept {
    const auto* text = std::get_if<std::string>(&value);
    return text == nullptr || std::ranges::all_of(*text, [](char c) {
               return c >= ' ' && c <= '~' && c != '\'' && c != '\\';
           });
}

}  // namespace

std::string literal_of(const Value& value,
                       const std::function<std::string(std::string_view)>& write_text) {
    struct Writer {
        const std::function<std::string(std::string_view)>& write_text;

        std::string operator()(std::nullptr_t) const { return "NULL"; }
        std::string operator()(bool is_true) const { return is_true ? "TRUE" : "FALSE"; }
        std::string operator()(std::int64_t number) const { return std::to_string(number); }
        std::string operator()(std::uint64_t number) const { return std::to_string(number); }
        std::string operator()(double number) const { return literal_of_double(number); }
        std::string operator()(const std::string& text) const { return write_text(text); }
        // Without the introducer it would be a number where one is expected.
        std::string operator()(const Bytes& bytes) const {
            return fmt::format("_binary x'{}'", to_hex(bytes.data));
        }
    };
    return std::visit(Writer{write_text}, value);
}

std::string fault_of_arguments(const Request& execute, Bytewise is_bytewise) {
    const auto places = placeholders_in(execute.statement, is_bytewise);
    const auto count = execute.arguments.size();
    if (!places) {
        return count == 0 ? std::string{}
                          : "where the question marks stand in this text is not certain; give one "
                            "statement, write its values as arguments, and leave out backslashes, "
                            "comments with ! and question marks that touch a name";
    }
    if (places->size() != count) {
        return fmt::format(
            "the statement has {} question marks and {} arguments; give one "
            "argument for each",
            places->size(), count);
    }
    if (!std::ranges::all_of(execute.arguments, is_finite)) {
        return "no column holds a number that is infinite or NaN; give nullptr in its place";
    }
    return {};
}

std::string with_arguments(const Request& execute, const TextRules& rules) {
    if (execute.arguments.empty()) {
        return execute.statement;
    }
    const auto text = without_end(execute.statement);
    const auto places = placeholders_in(text, rules.is_bytewise);
    XA_TM_CHECK(places && places->size() == execute.arguments.size(), "they were looked at before");
    std::string filled;
    std::size_t at = 0;
    for (std::size_t i = 0; i < places->size(); ++i) {
        const auto place = (*places)[i];
        // The blanks keep it from what it touches.
        filled.append(text.substr(at, place - at)).append(" ");
        filled.append(literal_of(execute.arguments[i], rules.write_text)).append(" ");
        at = place + 1;
    }
    return filled.append(text.substr(at));
}

bool is_plain_with_arguments(const Request& execute) noexcept {
    return is_plain(execute.statement) &&
           std::ranges::all_of(execute.arguments, is_plain_between_quotes);
}

}  // namespace xa_tm::mysql
