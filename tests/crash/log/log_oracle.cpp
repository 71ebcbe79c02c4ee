#include "log_oracle.h"

#include <set>

#include <gtest/gtest.h>

namespace xa_tm::recovery_log {
namespace {

testing::Message name_of(EntryId id, const Origin& origin) {
    return testing::Message() << "entry " << id << " of run " << origin.run << ", thread "
                              << origin.thread << ", number " << origin.number;
}

}  // namespace

LogOracle::Entries LogOracle::decode(const std::vector<Entry>& entries) {
    Entries decoded;
    std::set<Origin> origins;
    for (const auto& entry : entries) {
        const auto origin = origin_of(entry.body);
        if (!origin) {
            ADD_FAILURE() << "changed: entry " << entry.id;
            continue;
        }
        EXPECT_TRUE(origins.insert(*origin).second) << "doubled: " << name_of(entry.id, *origin);
        EXPECT_TRUE(decoded.emplace(entry.id, *origin).second) << "two entries " << entry.id;
    }
    return decoded;
}

void LogOracle::take_run(std::span<const Report> reports) {
    ++runs_;
    Entries found;
    for (const auto& [kind, id, origin] : reports) {
        switch (kind) {
            case Report::Kind::found: found.emplace(id, origin); break;
            case Report::Kind::opened:
                EXPECT_EQ(found, known_) << "the opening has found something else";
                break;
            case Report::Kind::acknowledged:
                ++acknowledged_;
                EXPECT_TRUE(given_.emplace(id, origin).second) << "id given twice: " << id;
                EXPECT_FALSE(known_.contains(id)) << "id given again: " << id;
                owed_.emplace(id, origin);
                break;
            case Report::Kind::forgetting:
                ++forgotten_;
                owed_.erase(id);
                break;
        }
    }
}

void LogOracle::check(const std::vector<Entry>& entries) {
    const auto found = decode(entries);
    check_while_written(entries);
    for (const auto& [id, origin] : found) {
        EXPECT_LE(origin.run, runs_) << "invented: " << name_of(id, origin);
        const auto given = given_.find(id);
        EXPECT_TRUE(given == given_.end() || given->second == origin)
            << "under another id: " << name_of(id, origin);
    }
    for (const auto& [id, origin] : owed_) {
        const auto entry = found.find(id);
        if (entry == found.end()) {
            ADD_FAILURE() << "lost: " << name_of(id, origin);
            continue;
        }
        EXPECT_EQ(entry->second, origin) << "changed: " << name_of(id, origin);
    }
    known_ = owed_ = found;
    known_runs_ = runs_;
    given_.clear();
}

void LogOracle::check_while_written(const std::vector<Entry>& entries) const {
    for (const auto& [id, origin] : decode(entries)) {
        if (origin.run > known_runs_) {
            continue;
        }
        const auto known = known_.find(id);
        EXPECT_TRUE(known != known_.end() && known->second == origin)
            << "has come back: " << name_of(id, origin);
    }
}

}  // namespace xa_tm::recovery_log
