#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "decision_log.h"
#include "recovery_plan.h"

namespace xa_tm {

/// What the lists tell of the server that was listed, and of the log, beyond what is known.
struct Findings {
    std::optional<ServerDoubt> server;
    std::optional<LogDoubt> log;
};

[[nodiscard]] Findings findings_of(const PlanInput& input, const ServerPosition& position);

/// Why the server that answers now is not, or no longer, the one that knew all of our branches; as
/// a sentence. Nothing when it goes on where it was seen last, or none was ever seen. `noted` are
/// in the order in which they were seen, the last one last.
[[nodiscard]] std::optional<std::string> doubt_about(const ServerSighting& now,
                                                     std::span<const Kept<ServerSighting>> noted);

/// Those of one resource.
[[nodiscard]] std::vector<Kept<ServerSighting>> sightings_of(
    std::string_view resource, std::span<const Kept<ServerSighting>> all);

/// The highest incarnation of which no branch is left at the resource, listed or decided: doubts up
/// to that one matter no more. Never the present one.
[[nodiscard]] std::uint32_t settled_through(const PlanInput& input);

/// Why the log is an old copy of itself: a branch that is listed is later than anything it knows.
[[nodiscard]] std::optional<std::string> doubt_about_log(const PlanInput& input);

}  // namespace xa_tm
