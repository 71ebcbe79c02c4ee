#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libpq.h"
#include "xa_tm/connection.h"

namespace xa_tm::postgres {

/// What later proves the fate of a branch that wrote: its transaction id, and the timeline of the
/// server that gave it. The same number may be given again on another timeline.
///
/// Ownership: a value.
/// Thread safety: const members may be used from several threads at once.
struct Evidence {
    std::string transaction_id;
    std::string timeline;

    friend bool operator==(const Evidence&, const Evidence&) = default;
};

/// "pg_xid=N;timeline=T"; without the timeline where that is unknown.
[[nodiscard]] std::string to_string(const Evidence& evidence);
/// Nothing for text that to_string() never makes.
[[nodiscard]] std::optional<Evidence> evidence_from(std::string_view text);

/// Asks what became of the transaction; the reply is for fate_from().
[[nodiscard]] std::string fate_statement(const Evidence& evidence);

/// What the evidence says of a branch that is not listed as prepared.
enum class Fate {
    unknown,      ///< too long ago, or the server did not say
    in_progress,  ///< it has not ended yet
    committed,
    rolled_back,
    other_history,  ///< this server has not lived through it: it is a former replica or a backup
};
[[nodiscard]] Fate fate_from(const Evidence& evidence, std::string_view timeline_now,
                             const Reply& reply);

/// The answer to commit or locate for a branch that is not listed, once its fate is known; nothing
/// when the fate is unknown.
[[nodiscard]] std::optional<Answer> answer_from(Fate fate, Verb verb);

}  // namespace xa_tm::postgres
