#pragma once

#include <string>
#include <string_view>

namespace xa_tm::postgres {

/// What the results of the application's statements tell about the branch that they ran in,
/// whichever way they were sent.
///
/// Ownership: a value.
/// Thread safety: one thread at a time.
class BranchHistory {
public:
    /// A statement that succeeded, by its command tag, such as "INSERT 0 1". `found_transaction` is
    /// true when the server has warned that a transaction was open already.
    void add_success(std::string_view command_tag, bool found_transaction);
    void add_failure(std::string_view sqlstate);

    /// False when every statement was of a kind that may have written nothing. Only the server
    /// knows whether they did: a SELECT may call a function that writes.
    [[nodiscard]] bool has_writing_statement() const noexcept { return has_writing_statement_; }
    /// True when a statement has ended the branch's transaction, whatever came after it.
    [[nodiscard]] bool has_ended_transaction() const noexcept { return has_ended_transaction_; }
    /// SQLSTATE of the error that put the transaction into its failed state, if it is in one.
    [[nodiscard]] const std::string& last_failure() const noexcept { return last_failure_; }

private:
    bool has_writing_statement_ = false;
    bool has_savepoint_ = false;
    bool has_ended_transaction_ = false;
    std::string last_failure_;
};

/// True when a statement sent alone would end the transaction that it runs in, or begin another. By
/// its first words, since the server takes only one statement at a time by the extended protocol.
[[nodiscard]] bool controls_transaction(std::string_view statement);
/// The same of any statement in a text of several, which the simple protocol takes. A text that
/// only a server can take apart (a backslash before a quote) may be judged wrongly: what such a
/// statement has done is seen by its command tag.
[[nodiscard]] bool contains_transaction_control(std::string_view text);

}  // namespace xa_tm::postgres
