#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "xa_tm/connection.h"
#include "xa_tm/error.h"
#include "xa_tm/statement.h"

namespace xa_tm {

class TransactionManagerState;

/// The statements of one transaction that belong to one branch, by their places in the list.
struct StatementShare {
    Datasource* datasource;
    std::vector<std::size_t> statements;
};

/// By branch, in the order in which the datasources were added to the manager. Throws Error
/// (invalid_configuration) when one was not.
[[nodiscard]] std::vector<StatementShare> shares_of(const TransactionManagerState& state,
                                                    std::span<const Statement> statements);

[[nodiscard]] Request request_of(const Statement& statement);

/// Whether the statement may be one of several transactions' in the same branch: by its first word
/// it changes nothing but rows, and it is a single one.
[[nodiscard]] bool is_combinable(std::string_view statement) noexcept;

/// What the statements of one transaction have come to.
///
/// Ownership: a value; borrows the statements.
/// Thread safety: one thread at a time.
class StatementTally {
public:
    explicit StatementTally(std::span<const Statement> statements)
        : statements_{statements}, results_(statements.size()) {}

    /// The statement was carried out. False when it had an unexpected number of rows.
    bool take_done(std::size_t statement, Answer answer);
    void take_failed(std::size_t statement, const Error& error) { keep(statement, error); }

    /// Why the transaction can't commit: the first in the list that failed or had unexpected rows.
    [[nodiscard]] const std::optional<Error>& fault() const noexcept { return fault_; }
    [[nodiscard]] std::vector<StatementResult> take_results() noexcept {
        return std::move(results_);
    }

private:
    void keep(std::size_t statement, const Error& error);

    std::span<const Statement> statements_;
    std::vector<StatementResult> results_;
    std::optional<Error> fault_ = std::nullopt;
    std::size_t faulty_ = 0;
};

}  // namespace xa_tm
