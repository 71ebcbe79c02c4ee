#include <array>
#include <cctype>
#include <memory>
#include <string>
#include <vector>

#include <mysql.h>

#include "drivers/mysql/src/arguments.h"
#include "drivers/mysql/src/client_library.h"
#include "fuzz_input.h"
#include "fuzz_target.h"

// Any text as a statement, with any values as its arguments. An input is a choice of character set
// (1 byte), a number (8 bytes), a text and bytes, each with its length before it, and the
// statement. What the driver makes of that is read as a server reads it, in each sql_mode: where
// the driver is certain of the statement, the server finds the same words with the values in the
// places of the question marks, and the end where the statement ends.
namespace xa_tm {
namespace {

struct Charset {
    const char* name;
    mysql::Bytewise is_bytewise;
    bool (*is_lead)(unsigned char);
};

constexpr std::array kCharsets{
    Charset{"utf8mb4", mysql::Bytewise::yes, [](unsigned char) { return false; }},
    Charset{"latin1", mysql::Bytewise::yes, [](unsigned char) { return false; }},
    Charset{"gbk", mysql::Bytewise::no, [](unsigned char c) { return c >= 0x81 && c <= 0xfe; }},
    Charset{"sjis", mysql::Bytewise::no,
            [](unsigned char c) { return (c >= 0x81 && c <= 0x9f) || (c >= 0xe0 && c <= 0xfc); }}};

bool is_trail(unsigned char c) {
    return (c >= 0x40 && c <= 0x7e) || (c >= 0x80 && c <= 0xfe);
}

/// How a server reads.
struct Reader {
    const Charset* charset;
    bool has_backslash;
    bool has_quoted_names;  ///< in double quotes
    bool has_dollar_quotes;
    bool is_high_byte_space;
};

struct Token {
    enum class Kind { string, name, word, sign, unfinished } kind;
    std::string content;

    friend bool operator==(const Token&, const Token&) = default;
};

/// The tokens of a text, up to what is not finished.
class Tokens {
public:
    Tokens(const Reader& reader, std::string_view text) : reader_{reader}, text_{text} {}

    std::vector<Token> all() {
        std::vector<Token> tokens;
        while (skip_blank() && at_ < text_.size()) {
            tokens.push_back(next());
        }
        if (is_unfinished_) {
            tokens.push_back({Token::Kind::unfinished, {}});
        }
        return tokens;
    }

private:
    bool starts_with(std::string_view start) const { return text_.substr(at_).starts_with(start); }
    unsigned char byte(std::size_t at) const { return static_cast<unsigned char>(text_[at]); }
    std::size_t character() const {
        const bool is_double = reader_.charset->is_lead(byte(at_)) && at_ + 1 < text_.size() &&
                               is_trail(byte(at_ + 1));
        return is_double ? 2 : 1;
    }
    bool is_space(unsigned char c) const {
        return c <= ' ' || c == 0x7f || (reader_.is_high_byte_space && c >= 0x80);
    }

    /// False once nothing more can be read.
    bool skip_blank() {
        while (!is_unfinished_ && at_ < text_.size()) {
            if (byte(at_) <= ' ') {
                ++at_;
            } else if (starts_with("#") || (starts_with("--") && at_ + 2 <= text_.size() &&
                                            (at_ + 2 == text_.size() || is_space(byte(at_ + 2))))) {
                at_ = std::min(text_.find('\n', at_), text_.size());
            } else if (starts_with("/*")) {
                is_unfinished_ = starts_with("/*!") || starts_with("/*M!");
                end_behind("*/", at_ + 2);
            } else {
                break;
            }
        }
        return !is_unfinished_;
    }

    void end_behind(std::string_view end, std::size_t from) {
        const auto found = text_.find(end, from);
        is_unfinished_ = is_unfinished_ || found == std::string_view::npos;
        at_ = is_unfinished_ ? text_.size() : found + end.size();
    }

    Token next() {
        const char c = text_[at_];
        if (c == '\'' || c == '"' || c == '`') {
            const bool is_name = c == '`' || (c == '"' && reader_.has_quoted_names);
            return {is_name ? Token::Kind::name : Token::Kind::string,
                    quoted(c, !is_name && reader_.has_backslash)};
        }
        if (c == '$' && reader_.has_dollar_quotes) {
            auto end = at_ + 1;
            while (end < text_.size() && std::isalnum(byte(end)) != 0) {
                ++end;
            }
            if (end < text_.size() && text_[end] == '$') {
                const auto quote = text_.substr(at_, end + 1 - at_);
                end_behind(quote, end + 1);
                return {Token::Kind::string, {}};
            }
        }
        std::string word;
        while (at_ < text_.size() && (std::isalnum(byte(at_)) != 0 || byte(at_) >= 0x80 ||
                                      text_[at_] == '_' || text_[at_] == '$')) {
            const auto size = character();
            word += text_.substr(at_, size);
            at_ += size;
        }
        return word.empty() ? Token{Token::Kind::sign, {text_[at_++]}}
                            : Token{Token::Kind::word, word};
    }

    std::string quoted(char quote, bool has_backslash) {
        std::string content;
        for (++at_; at_ < text_.size(); ++at_) {
            if (const auto size = character(); size > 1) {
                content += text_.substr(at_++, size);
            } else if (has_backslash && text_[at_] == '\\' && at_ + 1 < text_.size()) {
                content += unescaped(text_[++at_]);
            } else if (text_[at_] != quote) {
                content += text_[at_];
            } else if (at_ + 1 < text_.size() && text_[at_ + 1] == quote) {
                content += text_[++at_];
            } else {
                ++at_;
                return content;
            }
        }
        is_unfinished_ = true;
        return content;
    }

    static char unescaped(char c) {
        switch (c) {
            case '0': return '\0';
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case 'b': return '\b';
            case 'Z': return '\x1a';
            default: return c;
        }
    }

    const Reader& reader_;
    std::string_view text_;
    std::size_t at_ = 0;
    bool is_unfinished_ = false;
};

/// The client library's handle, as if connected to a server that reads so.
struct Handle {
    explicit Handle(const Reader& reader) : mysql{::mysql_init(nullptr)} {
        mysql->charset = ::mariadb_get_charset_by_name(reader.charset->name);
        XA_TM_CHECK(mysql->charset != nullptr, "the library knows it");
        mysql->server_status = reader.has_backslash ? 0 : SERVER_STATUS_NO_BACKSLASH_ESCAPES;
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() { ::mysql_close(mysql); }

    MYSQL* mysql;
};

/// What the server has to find: the statement's own tokens, with values in place of question marks.
std::vector<Token> expected_tokens(const Reader& reader, const Request& request) {
    std::vector<Token> expected;
    std::size_t used = 0;
    for (auto& token : Tokens{reader, mysql::without_end(request.statement)}.all()) {
        if (token != Token{Token::Kind::sign, "?"}) {
            expected.push_back(std::move(token));
            continue;
        }
        const auto& value = request.arguments.at(used++);
        if (const auto* text = std::get_if<std::string>(&value)) {
            expected.push_back({Token::Kind::string, *text});
            continue;
        }
        const auto literal = mysql::literal_of(value, {});
        const auto tokens = Tokens{reader, literal}.all();
        expected.insert(expected.end(), tokens.begin(), tokens.end());
    }
    XA_TM_CHECK(used == request.arguments.size(), "the server finds as many question marks");
    return expected;
}

void check_reading(const Reader& reader, const Request& request) {
    const Handle handle{reader};
    const mysql::TextRules rules{.write_text =
                                     [&](std::string_view text) {
                                         return mysql::client_library::literal_of_text(
                                             *handle.mysql, text);
                                     },
                                 .is_bytewise = reader.charset->is_bytewise};
    const auto filled = mysql::with_arguments(request, rules);
    auto expected = expected_tokens(reader, request);
    for (const auto& token : expected) {
        XA_TM_CHECK(token != (Token{Token::Kind::sign, ";"}), "it is one statement");
        XA_TM_CHECK(token.kind != Token::Kind::unfinished, "it ends in the open");
    }
    expected.push_back({Token::Kind::sign, ";"});
    expected.push_back({Token::Kind::word, "behind"});
    const auto packet = std::string{mysql::without_end(filled)} + "\n;behind";
    XA_TM_CHECK(Tokens(reader, packet).all() == expected, "the server reads what was meant");
    if (mysql::is_plain_with_arguments(request)) {
        for (const auto& token : Tokens{reader, request.statement}.all()) {
            XA_TM_CHECK(token.kind == Token::Kind::word || token.kind == Token::Kind::sign,
                        "a plain text has neither strings nor quoted names");
        }
    }
}

}  // namespace
}  // namespace xa_tm

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace xa_tm;
    test::Input input{data, size};
    const auto& charset = kCharsets.at(input.number<std::uint8_t>() % kCharsets.size());
    const std::array<Value, 3> values{input.number<std::int64_t>(), input.text(),
                                      Bytes{input.text()}};
    Request request{.verb = Verb::execute, .statement = input.rest()};
    const auto places = mysql::placeholders_in(request.statement, charset.is_bytewise);
    if (!places) {
        return 0;
    }
    for (std::size_t i = 0; i < places->size(); ++i) {
        request.arguments.push_back(values.at((i + 1) % values.size()));
    }
    XA_TM_CHECK(mysql::fault_of_arguments(request, charset.is_bytewise).empty(), "they fit");
    for (unsigned mode = 0; mode < 16; ++mode) {
        check_reading({.charset = &charset,
                       .has_backslash = (mode & 1U) != 0,
                       .has_quoted_names = (mode & 2U) != 0,
                       .has_dollar_quotes = (mode & 4U) != 0,
                       .is_high_byte_space = (mode & 8U) != 0},
                      request);
    }
    return 0;
}
