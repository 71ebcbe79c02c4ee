#include "server_doubts.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include <fmt/format.h>

#include "global_id.h"

namespace xa_tm {
namespace {

std::string name_of(const std::string& server) {
    return server.empty() ? "one without an identity" : server;
}

}  // namespace

Findings findings_of(const PlanInput& input, const ServerPosition& position) {
    Findings findings;
    const auto noted = sightings_of(input.resource, input.known.sightings);
    if (auto words = doubt_about({input.resource, input.server, position}, noted)) {
        // Only the owner knows what it has begun; for all others everything there is may concern.
        const auto through = input.view == LogView::owner
                                 ? input.sequences_issued
                                 : std::numeric_limits<std::uint64_t>::max();
        findings.server = {input.resource, input.server, input.incarnation, through,
                           *std::move(words)};
    }
    if (!input.known.is_log_doubt_in_log) {
        if (auto words = doubt_about_log(input)) {
            findings.log = {*std::move(words)};
        }
    }
    return findings;
}

std::vector<Kept<ServerSighting>> sightings_of(std::string_view resource,
                                               std::span<const Kept<ServerSighting>> all) {
    std::vector<Kept<ServerSighting>> found;
    std::ranges::copy_if(all, std::back_inserter(found), [&](const auto& sighting) {
        return sighting.record.resource == resource;
    });
    return found;
}

std::optional<std::string> doubt_about(const ServerSighting& now,
                                       std::span<const Kept<ServerSighting>> noted) {
    if (noted.empty()) {
        return std::nullopt;
    }
    // Also one that had answered before: what was done at the other one meanwhile it may lack.
    if (noted.back().record.server != now.server) {
        return fmt::format("another server or database answers ({}) than before ({})",
                           name_of(now.server), name_of(noted.back().record.server));
    }
    const auto& then = noted.back().record.position;
    if (!then.history.empty() && !now.position.history.empty() &&
        then.history != now.position.history) {
        return fmt::format(
            "the server lives another history (timeline {}) than before ({}): a standby was "
            "promoted, or a backup restored",
            now.position.history, then.history);
    }
    if (now.position.flushed != 0 && now.position.flushed < then.flushed) {
        return fmt::format(
            "the server was put back to an old copy: its log ends at {}, and had been at {}",
            now.position.flushed, then.flushed);
    }
    return std::nullopt;
}

std::uint32_t settled_through(const PlanInput& input) {
    auto oldest = input.incarnation;
    const auto take = [&](std::string_view gtrid) {
        const auto id = parse_gtrid(gtrid);
        if (id && id->log == input.log) {
            oldest = std::min(oldest, id->incarnation);
        }
    };
    for (const auto* list : {&input.before, &input.after}) {
        for (const auto& branch : *list) {
            if (branch.xid && branch.xid->format_id == kFormatId) {
                take(branch.xid->gtrid);
            }
        }
    }
    for (const auto& [gtrid, pending] : input.known.decisions) {
        const auto concerns_resource = [&](const DecidedBranch& branch) {
            return branch.resource == input.resource;
        };
        if (std::ranges::any_of(pending.decision.branches, concerns_resource)) {
            take(gtrid);
        }
    }
    return oldest - 1;
}

std::optional<std::string> doubt_about_log(const PlanInput& input) {
    // What was listed before the number of transactions was read was begun before.
    for (const auto& branch : input.before) {
        const auto id = branch.xid && branch.xid->format_id == kFormatId
                            ? parse_gtrid(branch.xid->gtrid)
                            : std::nullopt;
        if (!id || id->log != input.log) {
            continue;
        }
        // Beside its owner, and without one, what the log's last incarnation has begun is not
        // known.
        const bool is_later_here = input.view == LogView::owner &&
                                   id->incarnation == input.incarnation &&
                                   id->sequence > input.sequences_issued;
        if (id->incarnation > input.incarnation || is_later_here) {
            return fmt::format(
                "resource {} holds {}, which this log has never begun: it has come to transaction "
                "{} of incarnation {}",
                input.resource, branch.xid->gtrid, input.sequences_issued, input.incarnation);
        }
    }
    return std::nullopt;
}

}  // namespace xa_tm
