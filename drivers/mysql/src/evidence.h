#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "client_api.h"
#include "xa_tm/connection.h"

namespace xa_tm::mysql {

/// What later proves the fate of a branch: its witness row, which is there for everybody if and
/// only if the branch has committed, until this log's transaction manager removes it.
///
/// Ownership: a value.
/// Thread safety: const members may be used from several threads at once.
struct Evidence {
    std::uint64_t row = 0;  ///< its id
    std::string log = {};   ///< whose removals count

    friend bool operator==(const Evidence&, const Evidence&) = default;
};

/// "witness=N;log=L"; without the log where that has no name.
[[nodiscard]] std::string to_string(const Evidence& evidence);
/// Nothing for text that to_string() never makes.
[[nodiscard]] std::optional<Evidence> evidence_from(std::string_view text);

/// What the evidence says of a branch that the server does not know as prepared.
enum class Fate {
    unknown,      ///< the row may have been removed, or there is no table
    in_progress,  ///< a transaction still holds the row: it has not ended yet
    committed,
    rolled_back,
    untold,  ///< the server refused to say
};
/// From the replies to WitnessTable::fate_statements().
[[nodiscard]] Fate fate_from(const Evidence& evidence, std::span<const Reply> replies);
/// The one of them that says why, when the fate is untold.
[[nodiscard]] const Reply& refusal_among(std::span<const Reply> replies);

/// The answer to commit or locate for a branch that is not there, once its fate is known; nothing
/// when it is unknown or untold.
[[nodiscard]] std::optional<Answer> answer_from(Fate fate, Verb verb);

}  // namespace xa_tm::mysql
