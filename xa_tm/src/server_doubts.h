#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "decision_log.h"
#include "recovery_plan.h"

namespace xa_tm {

/// Why the server that answers now is not, or no longer, the one that knew all of our branches; as
/// a sentence. Nothing when it goes on where it was seen last, or none was ever seen.
[[nodiscard]] std::optional<std::string> doubt_about(const ServerSighting& now,
                                                     std::span<const Kept<ServerSighting>> noted);

/// The highest incarnation of which no branch is left at the resource, listed or decided: doubts up
/// to that one matter no more. Never the present one.
[[nodiscard]] std::uint32_t settled_through(const PlanInput& input);

/// Why the log is an old copy of itself: a branch that is listed is later than anything it knows.
[[nodiscard]] std::optional<std::string> doubt_about_log(const PlanInput& input);

}  // namespace xa_tm
