#include "statement_shares.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

#include "transaction_manager_state.h"

namespace xa_tm {
namespace {

constexpr std::array<std::string_view, 8> kChangeRowsOnly{"select",  "insert", "update", "delete",
                                                          "replace", "merge",  "values", "with"};

bool is_same_word(std::string_view word, std::string_view lower_case) noexcept {
    return std::ranges::equal(word, lower_case, [](char one, char other) {
        return std::tolower(static_cast<unsigned char>(one)) == other;
    });
}

bool is_letter(char c) noexcept {
    return std::isalpha(static_cast<unsigned char>(c)) != 0;
}

}  // namespace

std::vector<StatementShare> shares_of(const TransactionManagerState& state,
                                      std::span<const Statement> statements) {
    std::vector<StatementShare> shares;
    for (std::size_t i = 0; i < statements.size(); ++i) {
        auto* datasource = &statements[i].datasource();
        auto found = std::ranges::find(shares, datasource, &StatementShare::datasource);
        if (found == shares.end()) {
            found = shares.insert(shares.end(), {datasource, {}});
        }
        found->statements.push_back(i);
    }
    std::ranges::sort(shares, {}, [&state](const StatementShare& share) {
        return state.place_of(*share.datasource);
    });
    return shares;
}

Request request_of(const Statement& statement) {
    return {.verb = Verb::execute,
            .statement = statement.text(),
            .arguments = statement.arguments(),
            .wants_result = true};
}

bool is_combinable(std::string_view statement) noexcept {
    const auto begin = std::ranges::find_if_not(
        statement, [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; });
    const std::string_view word{begin, std::find_if_not(begin, statement.end(), is_letter)};
    return statement.find(';') == std::string_view::npos &&
           std::ranges::any_of(kChangeRowsOnly, [word](std::string_view known) {
               return is_same_word(word, known);
           });
}

bool StatementTally::take_done(std::size_t statement, Answer answer) {
    const auto expected = statements_[statement].expected_rows();
    const bool is_as_expected = !expected || *expected == answer.rows;
    if (!is_as_expected) {
        const auto& resource = statements_[statement].datasource().name();
        keep(statement, {{.code = ErrorCode::unexpected_rows, .resource = resource},
                         fmt::format("resource {}: {} rows, where {} were expected", resource,
                                     answer.rows, *expected)});
    }
    results_[statement] = {.is_done = true, .rows = answer.rows, .set = std::move(answer.result)};
    return is_as_expected;
}

void StatementTally::keep(std::size_t statement, const Error& error) {
    if (fault_ && faulty_ <= statement) {
        return;
    }
    faulty_ = statement;
    fault_.emplace(
        Error::Details{.code = error.code(),
                       .resource = error.resource(),
                       .sqlstate = error.sqlstate(),
                       .native_error = error.native_error()},
        fmt::format("statement {} of {}: {}", statement + 1, statements_.size(), error.what()));
}

}  // namespace xa_tm
