#include "text.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>

#include <fmt/format.h>
#include <unistd.h>

namespace xa_tm::cli {
namespace {

constexpr std::size_t kWidth = 100;

std::string_view escape_of(Colour colour) {
    switch (colour) {
        case Colour::plain: return "";
        case Colour::bold: return "\x1b[1m";
        case Colour::green: return "\x1b[32m";
        case Colour::yellow: return "\x1b[33m";
        case Colour::red: return "\x1b[31m";
    }
    return "";
}

}  // namespace

std::string painted(std::string text, Colour colour, bool has_colour) {
    if (!has_colour || colour == Colour::plain) {
        return text;
    }
    return fmt::format("{}{}\x1b[0m", escape_of(colour), text);
}

std::string printable(std::string_view text) {
    std::string shown;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f) {
            shown += c;
        } else {
            shown += fmt::format("\\x{:02x}", byte);
        }
    }
    return shown;
}

std::string as_sentence(std::string_view reason) {
    auto sentence = printable(reason);
    if (!sentence.empty()) {
        sentence.front() =
            static_cast<char>(std::toupper(static_cast<unsigned char>(sentence.front())));
        if (sentence.back() != '.') {
            sentence += '.';
        }
    }
    return sentence;
}

std::string shell_word(std::string_view word) {
    constexpr std::string_view kPlain = "._:/=+,@%-";
    const bool is_plain = !word.empty() && std::ranges::all_of(word, [&](unsigned char c) {
        return c < 0x80 &&
               (std::isalnum(c) != 0 || kPlain.find(static_cast<char>(c)) != kPlain.npos);
    });
    if (is_plain) {
        return std::string{word};
    }
    std::string text = "'";
    for (const char c : word) {
        if (c == '\'') {
            text += R"('\'')";
        } else {
            text += c;
        }
    }
    return printable(text + "'");
}

std::string wrapped(std::string_view text, std::size_t indent) {
    std::string lines;
    std::size_t column = 0;
    while (!text.empty()) {
        const auto word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        if (column > indent && column + 1 + word.size() > kWidth) {
            lines += '\n';
            column = 0;
        }
        if (column == 0) {
            lines.append(indent, ' ');
            column = indent;
        } else {
            lines += ' ';
            ++column;
        }
        lines += word;
        column += word.size();
    }
    return lines + "\n";
}

std::string age_text(std::optional<std::chrono::seconds> age) {
    if (!age) {
        return "-";
    }
    using namespace std::chrono_literals;
    if (*age < 2min) {
        return fmt::format("{} s", age->count());
    }
    if (*age < 2h) {
        return fmt::format("{} min", *age / 1min);
    }
    return *age < 48h ? fmt::format("{} h", *age / 1h) : fmt::format("{} d", *age / 24h);
}

std::string count_of(std::size_t count, std::string_view noun, std::string_view plural) {
    if (count != 1 && !plural.empty()) {
        return fmt::format("{} {}", count, plural);
    }
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

bool wants_colour() {
    const char* terminal = std::getenv("TERM");
    return ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr &&
           terminal != nullptr && std::string_view{terminal} != "dumb";
}

void write_out(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
        std::fflush(stdout) != 0) {
        throw std::system_error{errno, std::generic_category(), "can't write to standard output"};
    }
}

}  // namespace xa_tm::cli
