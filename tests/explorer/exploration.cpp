#include "exploration.h"

#include <algorithm>
#include <deque>
#include <utility>

#include <fmt/format.h>

namespace xa_tm::explorer {
namespace {

using Index = std::uint32_t;
constexpr Index kNone = static_cast<Index>(-1);

/// Where each key was seen first: a hash table with open addressing, because there are millions.
class Seen {
public:
    Seen() : places_(std::size_t{1} << 16, kNone) {}

    /// The key's number, and whether it is new.
    std::pair<Index, bool> add(const Key& key) {
        if (2 * keys_.size() >= places_.size()) {
            grow();
        }
        const auto place = find(key);
        if (places_[place] != kNone) {
            return {places_[place], false};
        }
        places_[place] = static_cast<Index>(keys_.size());
        keys_.push_back(key);
        return {places_[place], true};
    }

private:
    [[nodiscard]] std::size_t find(const Key& key) const {
        std::uint64_t hash = 0;
        for (const auto word : key) {
            hash = (hash ^ word) * 0x9e3779b97f4a7c15;
            hash ^= hash >> 32U;
        }
        auto place = hash & (places_.size() - 1);
        while (places_[place] != kNone && keys_[places_[place]] != key) {
            place = (place + 1) & (places_.size() - 1);
        }
        return place;
    }
    void grow() {
        places_.assign(2 * places_.size(), kNone);
        for (Index i = 0; i < keys_.size(); ++i) {
            places_[find(keys_[i])] = i;
        }
    }

    std::vector<Key> keys_;
    std::vector<Index> places_;
};

class Explorer {
public:
    Explorer(const Setup& setup, const Progress& progress) : setup_{setup}, progress_{progress} {}

    Exploration run();

private:
    struct Origin {
        Index parent;
        Event event;
    };

    void visit(Index parent, const Event& event, World&& world, std::string&& violation);
    void check_that_all_can_settle();
    [[nodiscard]] std::vector<std::string> trace_to(Index state) const;

    const Setup& setup_;
    const Progress& progress_;
    Seen seen_;
    std::vector<Origin> origins_;
    std::vector<std::pair<Index, Index>> steps_;
    std::vector<bool> is_settled_;
    std::deque<std::pair<Index, World>> frontier_;
    Exploration found_;
};

Exploration Explorer::run() {
    visit(kNone, {}, World{}, {});
    while (!frontier_.empty() && found_.violation.empty()) {
        const auto [state, world] = std::move(frontier_.front());
        frontier_.pop_front();
        for_each_next(world, setup_,
                      [&, from = state](const Event& event, World&& next, std::string&& violation) {
                          visit(from, event, std::move(next), std::move(violation));
                      });
        constexpr std::size_t kStatesPerWord = 100'000;
        if (progress_ && state % kStatesPerWord == 0) {
            progress_(origins_.size());
        }
    }
    found_.states = origins_.size();
    if (found_.violation.empty()) {
        check_that_all_can_settle();
    }
    return std::move(found_);
}

void Explorer::visit(Index parent, const Event& event, World&& world, std::string&& violation) {
    if (!found_.violation.empty()) {
        return;
    }
    ++found_.transitions;
    const auto [state, is_new] = seen_.add(key_of(world, setup_));
    if (parent != kNone && parent != state) {
        steps_.emplace_back(parent, state);
    }
    if (is_new) {
        origins_.push_back({parent, event});
        is_settled_.push_back(is_settled(world, setup_));
        found_.settled += is_settled_.back() ? 1U : 0U;
    }
    if (!violation.empty()) {
        found_.violation = std::move(violation);
        found_.trace = trace_to(parent);
        found_.trace.push_back(
            fmt::format("{:<60} {}", to_string(event), to_string(world, setup_)));
    } else if (is_new) {
        frontier_.emplace_back(state, std::move(world));
    }
}

/// Backwards from the settled ones.
void Explorer::check_that_all_can_settle() {
    std::ranges::sort(steps_, {}, &std::pair<Index, Index>::second);
    auto can_settle = is_settled_;
    std::vector<Index> open;
    for (Index i = 0; i < origins_.size(); ++i) {
        if (can_settle[i]) {
            open.push_back(i);
        }
    }
    while (!open.empty()) {
        const auto to = open.back();
        open.pop_back();
        const auto steps =
            std::ranges::equal_range(steps_, to, {}, &std::pair<Index, Index>::second);
        for (const auto& step : steps) {
            if (!can_settle[step.first]) {
                can_settle[step.first] = true;
                open.push_back(step.first);
            }
        }
    }
    const auto stuck = std::ranges::find(can_settle, false);
    if (stuck != can_settle.end()) {
        found_.violation = "stuck: whatever comes, something stays prepared or undecided";
        found_.trace = trace_to(static_cast<Index>(stuck - can_settle.begin()));
    }
}

/// The same events once more.
std::vector<std::string> Explorer::trace_to(Index state) const {
    std::vector<Event> events;
    for (; origins_[state].parent != kNone; state = origins_[state].parent) {
        events.push_back(origins_[state].event);
    }
    std::vector<std::string> lines;
    World world;
    for (auto event = events.rbegin(); event != events.rend(); ++event) {
        World next;
        for_each_next(world, setup_, [&](const Event& other, World&& behind, std::string&&) {
            if (other == *event) {
                next = std::move(behind);
            }
        });
        world = std::move(next);
        lines.push_back(fmt::format("{:<60} {}", to_string(*event), to_string(world, setup_)));
    }
    return lines;
}

}  // namespace

Exploration explore(const Setup& setup, const Progress& progress) {
    return Explorer{setup, progress}.run();
}

}  // namespace xa_tm::explorer
