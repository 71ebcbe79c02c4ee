#include "request_verbs.h"

#include <algorithm>
#include <cctype>

namespace xa_tm::bench {
namespace {

std::size_t byte_at(std::string_view bytes, std::size_t index) {
    return static_cast<unsigned char>(bytes[index]);
}

bool is_word_part(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

/// As whole words: "commit" is neither in "autocommit" nor in "READ COMMITTED".
bool has_words(std::string_view text, std::string_view words) {
    for (auto at = text.find(words); at != text.npos; at = text.find(words, at + 1)) {
        const auto end = at + words.size();
        if ((at == 0 || !is_word_part(text[at - 1])) &&
            (end == text.size() || !is_word_part(text[end]))) {
            return true;
        }
    }
    return false;
}

Verbs verbs_in(std::string_view sql) {
    std::string text{sql};
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
    const bool ends_at_postgres = has_words(text, "prepare transaction");
    return {.update = has_words(text, "update"),
            .end = ends_at_postgres || has_words(text, "xa end"),
            .prepare = ends_at_postgres || has_words(text, "xa prepare"),
            .commit = has_words(text, "commit")};
}

/// The part up to the next zero byte, which is taken off too.
std::string_view take_string(std::string_view& bytes) {
    const auto text = bytes.substr(0, bytes.find('\0'));
    bytes.remove_prefix(std::min(bytes.size(), text.size() + 1));
    return text;
}

// MySQL: Client/Server Protocol, Command Phase.
constexpr char kComQuery = 0x03;
constexpr char kComStmtExecute = 0x17;

}  // namespace

Verbs& Verbs::operator|=(const Verbs& other) noexcept {
    update = update || other.update;
    end = end || other.end;
    prepare = prepare || other.prepare;
    commit = commit || other.commit;
    return *this;
}

Verbs RequestReader::read(std::string_view bytes) {
    switch (kind_) {
        case Kind::postgres: return read_postgres(bytes);
        case Kind::mariadb:
        case Kind::mysql: return read_mysql(bytes);
    }
    return {};
}

// PostgreSQL: Message Formats. A message is a letter, a length that counts itself, and its body.
Verbs RequestReader::read_postgres(std::string_view bytes) {
    Verbs verbs;
    while (bytes.size() >= 5) {
        const auto length = byte_at(bytes, 1) << 24 | byte_at(bytes, 2) << 16 |
                            byte_at(bytes, 3) << 8 | byte_at(bytes, 4);
        if (length < 4 || bytes.size() < 1 + length) {
            break;
        }
        auto body = bytes.substr(5, length - 4);
        switch (bytes[0]) {
            case 'Q': verbs |= verbs_in(body); break;
            case 'P': {
                const auto name = take_string(body);
                prepared_.insert_or_assign(std::string{name}, verbs_in(take_string(body)));
                break;
            }
            case 'B': {
                static_cast<void>(take_string(body));  // the portal
                const auto known = prepared_.find(take_string(body));
                if (known != prepared_.end()) {
                    verbs |= known->second;
                }
                break;
            }
            default: break;
        }
        bytes.remove_prefix(1 + length);
    }
    return verbs;
}

Verbs RequestReader::read_mysql(std::string_view bytes) {
    Verbs verbs;
    while (bytes.size() >= 5) {
        const auto length = byte_at(bytes, 0) | byte_at(bytes, 1) << 8 | byte_at(bytes, 2) << 16;
        if (length == 0 || bytes.size() < 4 + length) {
            break;
        }
        if (bytes[4] == kComQuery) {
            verbs |= verbs_in(bytes.substr(5, length - 1));
        } else if (bytes[4] == kComStmtExecute) {
            verbs.update = true;  // the servers prepare no XA verb; what is prepared is the work
        }
        bytes.remove_prefix(4 + length);
    }
    return verbs;
}

}  // namespace xa_tm::bench
