#include "branch_history.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace xa_tm::postgres {
namespace {

/// Tags of statements that may have written nothing. A tag that is missing here costs the branch
/// its read-only vote's cheapness, never its correctness: the server is asked in any case.
constexpr std::array<std::string_view, 26> kPossiblyReading{"",
                                                            "SELECT",
                                                            "SHOW",
                                                            "SET",
                                                            "RESET",
                                                            "FETCH",
                                                            "MOVE",
                                                            "EXPLAIN",
                                                            "SAVEPOINT",
                                                            "RELEASE",
                                                            "ROLLBACK",
                                                            "DECLARE CURSOR",
                                                            "PREPARE",
                                                            "DEALLOCATE",
                                                            "DO",
                                                            "CALL",
                                                            "LOCK TABLE",
                                                            "BEGIN",
                                                            "UPDATE 0",
                                                            "INSERT 0 0",
                                                            "DELETE 0",
                                                            "MERGE 0",
                                                            "COPY 0",
                                                            "CLOSE CURSOR",
                                                            "CLOSE CURSOR ALL",
                                                            "SET CONSTRAINTS"};

bool may_have_read_only(std::string_view tag) {
    if (std::ranges::find(kPossiblyReading, tag) != kPossiblyReading.end()) {
        return true;
    }
    // With a number of rows behind it.
    return tag.starts_with("SELECT ") || tag.starts_with("FETCH ") || tag.starts_with("MOVE ");
}

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

/// Skips whitespace, comments and empty statements. PostgreSQL: Lexical Structure, Comments: those
/// of the C kind nest.
std::string_view without_leading_blanks(std::string_view text) {
    int depth = 0;
    while (!text.empty()) {
        if (text.starts_with("/*")) {
            ++depth;
            text.remove_prefix(2);
        } else if (depth > 0 && text.starts_with("*/")) {
            --depth;
            text.remove_prefix(2);
        } else if (depth == 0 && text.starts_with("--")) {
            text.remove_prefix(std::min(text.find_first_of("\r\n"), text.size()));
        } else if (depth > 0 || text.front() == ';' ||
                   std::isspace(static_cast<unsigned char>(text.front())) != 0) {
            text.remove_prefix(1);
        } else {
            break;
        }
    }
    return text;
}

/// The next word in lower case; takes it off the text.
std::string take_word(std::string_view& text) {
    text = without_leading_blanks(text);
    std::string word;
    while (!text.empty() && std::isalpha(static_cast<unsigned char>(text.front())) != 0) {
        word += static_cast<char>(std::tolower(static_cast<unsigned char>(text.front())));
        text.remove_prefix(1);
    }
    return word;
}

/// How long a piece is, from the front of the text, in which a semicolon ends no statement; 0 if
/// there is none. PostgreSQL: Lexical Structure.
std::size_t quoted_size(std::string_view text) {
    const auto through = [text](std::string_view end, std::size_t from) {
        const auto at = text.find(end, from);
        return at == std::string_view::npos ? text.size() : at + end.size();
    };
    if (text.starts_with("--")) {
        return through("\n", 2);
    }
    if (text.starts_with("/*")) {
        return through("*/", 2);  // one that is nested ends later: its rest is looked at as well
    }
    if (text.front() == '\'' || text.front() == '"') {
        return through(text.substr(0, 1), 1);
    }
    if (text.front() == '$') {
        const auto tag_end = text.find('$', 1);
        const auto tag = text.substr(1, tag_end == std::string_view::npos ? 0 : tag_end - 1);
        const bool is_tag = tag_end != std::string_view::npos && std::ranges::all_of(tag, is_word);
        return is_tag ? through(text.substr(0, tag_end + 1), tag_end + 1) : 0;
    }
    return 0;
}

}  // namespace

void BranchHistory::add_success(std::string_view command_tag, bool found_transaction) {
    last_failure_.clear();  // in the failed state only a return to a savepoint succeeds
    has_writing_statement_ = has_writing_statement_ || !may_have_read_only(command_tag);
    has_savepoint_ = has_savepoint_ || command_tag == "SAVEPOINT";
    // ROLLBACK TO SAVEPOINT has the tag of ROLLBACK; where it was that after all, the session has
    // no transaction any more or has begun another.
    const bool has_rolled_back = command_tag == "ROLLBACK" && !has_savepoint_;
    const bool has_begun =
        (command_tag == "BEGIN" || command_tag == "START TRANSACTION") && !found_transaction;
    has_ended_transaction_ = has_ended_transaction_ || has_rolled_back || has_begun ||
                             command_tag == "COMMIT" || command_tag == "PREPARE TRANSACTION";
}

void BranchHistory::add_failure(std::string_view sqlstate) {
    if (sqlstate != "25P02") {  // "current transaction is aborted": the consequence, not the cause
        last_failure_ = sqlstate;
    }
}

bool controls_transaction(std::string_view statement) {
    const auto first = take_word(statement);
    const auto second = take_word(statement);
    if (first == "rollback" || first == "abort") {
        const bool is_noise = second == "work" || second == "transaction";
        return first == "abort" || (is_noise ? take_word(statement) : second) != "to";
    }
    return first == "commit" || first == "end" || first == "begin" || first == "start" ||
           (first == "prepare" && second == "transaction");
}

bool contains_transaction_control(std::string_view text) {
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] == ';') {
            if (controls_transaction(text.substr(begin, at - begin))) {
                return true;
            }
            begin = at + 1;
        }
        at += std::max<std::size_t>(quoted_size(text.substr(at)), 1);
    }
    return controls_transaction(text.substr(begin));
}

}  // namespace xa_tm::postgres
