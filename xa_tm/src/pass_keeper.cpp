#include "pass_keeper.h"

#include <chrono>
#include <tuple>

#include "logging.h"
#include "xa_tm/recovery_log/crash_point.h"

namespace xa_tm {
namespace {

LogTime now() {
    return std::chrono::time_point_cast<LogTime::duration>(std::chrono::system_clock::now());
}

}  // namespace

std::optional<recovery_log::EntryId> PassKeeper::keep(const Findings& findings,
                                                      const PlanInput& input) {
    if (findings.log) {
        const bool is_kept = log_.record(*findings.log).has_value();
        if (table_.add(*findings.log, is_kept)) {
            log_message(LogChannel::recovery, LogLevel::fatal,
                        "The recovery log is an old copy of itself; no transaction begins "
                        "before the newest copy is restored.",
                        {.resource = resource_, .detail = findings.log->words});
        }
    }
    if (!findings.server) {
        for (const auto entry :
             table_.drop_doubts(resource_, input.server, settled_through(input))) {
            log_.forget(entry);
        }
        return std::nullopt;
    }
    const auto entry = log_.record(*findings.server);
    if (table_.add({*findings.server, entry})) {
        log_message(LogChannel::recovery, LogLevel::error,
                    "The server may lack what our log knows of it; nothing undecided is "
                    "rolled back there without proof.",
                    {.resource = resource_, .detail = findings.server->words});
    }
    return entry;
}

bool PassKeeper::note(const ServerSighting& sighting, const TransactionTable::Snapshot& known,
                      bool is_due) {
    const auto noted = sightings_of(resource_, known.sightings);
    const bool is_same = !noted.empty() && noted.back().record.server == sighting.server;
    const bool tells_nothing = sighting.position == ServerPosition{};
    if (tells_nothing && (is_same || sighting.server.empty())) {
        return false;  // what it has told before counts
    }
    const auto kept = is_same ? noted.back().entry : std::nullopt;
    const bool is_another_life = is_same && doubt_about(sighting, noted).has_value();
    if (kept && !is_another_life && (!is_due || noted.back().record == sighting)) {
        table_.note({sighting, kept});
        return false;
    }
    const auto entry = log_.record(sighting);
    const auto replaced = table_.note({sighting, entry ? entry : kept});
    if (entry && replaced) {
        log_.forget(*replaced);
    }
    return entry.has_value();
}

void PassKeeper::keep_what_was_refused(const TransactionTable::Snapshot& known) {
    for (const auto& [key, kept] : known.heuristics) {
        if (kept.record.resource != resource_ || kept.entry) {
            continue;
        }
        if (const auto entry = log_.record(kept.record)) {
            std::ignore = table_.add({kept.record, entry});
            keep_progress(key.first, table_, log_);
        }
    }
}

void PassKeeper::keep(const Xid& xid, XaCode code, const std::string& words,
                      const std::string& server) {
    const Heuristic heuristic{
        xid.gtrid, xid.bqual, code, resource_, now(), words.substr(0, kMaxWordsBytes), server};
    const auto entry = log_.record(heuristic);
    if (const auto replaced = table_.add({heuristic, entry})) {
        log_.forget(*replaced);
    }
    keep_progress(xid.gtrid, table_, log_);
    log_message(LogChannel::recovery, LogLevel::error,
                entry ? "A branch did not end as decided; a person has to compare the data, "
                        "then forget it."
                      : "A branch did not end as decided and the log could not keep that; a "
                        "person has to compare the data.",
                {.gtrid = xid.gtrid, .resource = resource_, .code = code, .detail = words});
}

void PassKeeper::keep_findings(const std::vector<PlannedBranch>& plan, const std::string& server) {
    for (const auto& planned : plan) {
        if (planned.is_finding) {
            keep(*planned.listed.xid, *planned.heuristic, planned.reason, server);
        }
    }
    table_.add_never_decided(never_decided_by(plan));
}

void PassKeeper::finish(const Xid& xid) {
    for (const auto entry : table_.finish(xid.gtrid, xid.bqual)) {
        XA_TM_CRASH_POINT("recovery.before_forget");
        log_.forget(entry);
    }
    keep_progress(xid.gtrid, table_, log_);
}

}  // namespace xa_tm
