#pragma once

#include <span>
#include <string>
#include <string_view>

#include "client_api.h"

namespace xa_tm::mysql {

/// What the results of statements tell about the branch that they ran in, whichever way they were
/// sent.
///
/// Ownership: a value.
/// Thread safety: one thread at a time.
class BranchHistory {
public:
    /// What session tracking said with any statement, verbs included; empty text is no news.
    void add_state(std::string_view transaction_state);
    /// The application's last statement on a session that was lent to it has ended with this errno,
    /// or with 0.
    void add_lent_statement(int error);
    /// A statement of the application was refused, as the last of these results.
    void add_refused(std::span<const Reply> results);
    /// A statement's text has swallowed what was sent behind it.
    void add_swallowing();

    /// Why the branch may not be prepared any more, or empty.
    [[nodiscard]] const std::string& why_rollback_only() const noexcept {
        return why_rollback_only_;
    }
    /// What a person has to know of the branch whatever becomes of it, or empty.
    [[nodiscard]] std::string_view caveat() const noexcept;

private:
    std::string why_rollback_only_;
    bool has_changed_for_good_ = false;
};

/// What of a branch stays although it was rolled back.
inline constexpr std::string_view kChangedForGood =
    "a table whose engine is not transactional was changed; that change can't be rolled back: use "
    "InnoDB";

}  // namespace xa_tm::mysql
