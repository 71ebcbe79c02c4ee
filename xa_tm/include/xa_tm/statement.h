#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "xa_tm/value.h"

namespace xa_tm {

class Datasource;

/// One statement with its arguments, for TransactionManager::run() and Transaction::finish_with().
/// Datasource::statement() makes it.
///
/// Ownership: a value; borrows the datasource.
/// Thread safety: as a value.
class Statement {
public:
    Statement(Datasource& datasource, std::string text, std::vector<Value> arguments)
        : datasource_{&datasource}, text_{std::move(text)}, arguments_{std::move(arguments)} {}

    /// The transaction commits only if this statement writes, or gives, as many rows: the same
    /// statement, for use where it is made.
    [[nodiscard]] Statement expect_rows(std::uint64_t rows) && {
        expected_rows_ = rows;
        return std::move(*this);
    }

    [[nodiscard]] Datasource& datasource() const noexcept { return *datasource_; }
    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    [[nodiscard]] const std::vector<Value>& arguments() const noexcept { return arguments_; }
    [[nodiscard]] const std::optional<std::uint64_t>& expected_rows() const noexcept {
        return expected_rows_;
    }

private:
    Datasource* datasource_;
    std::string text_;
    std::vector<Value> arguments_;
    std::optional<std::uint64_t> expected_rows_ = std::nullopt;
};

/// What one statement has done.
struct StatementResult {
    /// False when it was not carried out, or failed.
    bool is_done = false;
    std::uint64_t rows = 0;  ///< that it wrote, or gave
    ResultSet set = {};      ///< what it gave
};

}  // namespace xa_tm
