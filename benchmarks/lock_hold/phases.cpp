#include "phases.h"

#include <algorithm>
#include <map>
#include <optional>

#include "quantiles.h"

namespace xa_tm::bench {
namespace {

using Time = std::chrono::steady_clock::time_point;

struct Branch {
    std::optional<std::uint64_t> update_depth;
    std::uint64_t commit_depth = 0;
};

struct Trace {
    Time work{};
    std::optional<Time> end{};
    std::optional<Time> vote{};
    std::optional<Time> commit{};
    std::optional<Time> done{};
    std::map<std::size_t, Branch> branches{};  ///< by upstream
};

/// What an answer, when it comes, is the answer to.
struct Pending {
    std::size_t trace;
    Verbs verbs;
};

void note_request(const Passage& passage, Trace& trace) {
    auto& branch = trace.branches[passage.upstream];
    if (passage.verbs.update && !branch.update_depth) {
        branch.update_depth = passage.depth;
    }
    if ((passage.verbs.end || passage.verbs.prepare) && !trace.end) {
        trace.end = passage.time;
    }
    if (passage.verbs.commit) {
        branch.commit_depth = passage.depth;
        trace.commit = trace.commit.value_or(passage.time);
    }
}

void note_answer(const Passage& passage, const Verbs& verbs, Trace& trace) {
    if (verbs.prepare) {
        trace.vote = passage.time;
    }
    if (verbs.commit) {
        trace.done = passage.time;
    }
}

std::vector<Trace> traces_of(std::span<const Passage> passages) {
    std::vector<Trace> traces;
    std::map<std::size_t, Pending> pending;  // by link
    for (const auto& passage : passages) {
        if (!passage.is_request) {
            const auto request = pending.find(passage.link);
            if (request != pending.end()) {
                note_answer(passage, request->second.verbs, traces[request->second.trace]);
                pending.erase(request);
            }
            continue;
        }
        if (passage.verbs.update && (traces.empty() || traces.back().commit)) {
            traces.push_back({.work = passage.time});
        }
        if (traces.empty()) {
            continue;
        }
        note_request(passage, traces.back());
        auto& request = pending[passage.link];
        request.trace = traces.size() - 1;
        request.verbs |= passage.verbs;
    }
    return traces;
}

double us(Time::duration time) {
    return std::chrono::duration<double, std::micro>(time).count();
}

double trips_in_hold(const Trace& trace) {
    std::uint64_t most = 0;
    for (const auto& [upstream, branch] : trace.branches) {
        if (branch.update_depth && branch.commit_depth > *branch.update_depth) {
            most = std::max(most, branch.commit_depth - *branch.update_depth);
        }
    }
    return static_cast<double>(most);
}

}  // namespace

Phases phases_of(std::span<const Passage> passages) {
    std::vector<double> work, prepare, decision, commit, trips;
    for (const auto& trace : traces_of(passages)) {
        if (!trace.commit || !trace.done || *trace.done < *trace.commit) {
            continue;  // it was cut off at an end of what was watched
        }
        const auto end = trace.end.value_or(*trace.commit);
        const auto vote = trace.vote.value_or(end);
        work.push_back(us(end - trace.work));
        prepare.push_back(us(vote - end));
        decision.push_back(us(*trace.commit - vote));
        commit.push_back(us(*trace.done - *trace.commit));
        trips.push_back(trips_in_hold(trace));
    }
    if (work.empty()) {
        return {};
    }
    return {.work_us = median_of(work),
            .prepare_us = median_of(prepare),
            .decision_us = median_of(decision),
            .commit_us = median_of(commit),
            .trips_in_hold = median_of(trips),
            .transactions = trips.size()};
}

SharedTrips shared_trips_of(std::span<const Passage> passages) {
    std::map<std::size_t, std::optional<std::uint64_t>> answers;  // by link, since its first update
    std::uint64_t trips = 0, holds = 0;
    SharedTrips shared;
    for (const auto& passage : passages) {
        auto& since_update = answers[passage.link];
        if (!passage.is_request) {
            since_update = since_update ? std::optional{*since_update + 1} : std::nullopt;
            continue;
        }
        if (passage.verbs.commit) {
            shared.commits += passage.upstream == 0 ? 1 : 0;
            if (since_update) {
                trips += *since_update;
                ++holds;
            }
            since_update.reset();
        }
        if (passage.verbs.update && !since_update) {
            since_update = 0;
        }
    }
    if (holds > 0) {
        shared.trips_in_hold = static_cast<double>(trips) / static_cast<double>(holds);
    }
    return shared;
}

nlohmann::json to_json(const Phases& phases) {
    return {{"work", phases.work_us},
            {"prepare", phases.prepare_us},
            {"decision", phases.decision_us},
            {"commit", phases.commit_us}};
}

}  // namespace xa_tm::bench
