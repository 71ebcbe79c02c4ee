// Invariant: a table is dropped only after its comment has been seen to bear the mark, or after
// this object has made it. The run's claim keeps the tables of another run out of reach.

#include "scratch_tables.h"

#include <cstdio>
#include <optional>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "xa_tm/decision_table.h"
#include "xa_tm/mysql/datasource.h"
#include "xa_tm/postgres/datasource.h"

namespace xa_tm::bench {
namespace {

constexpr std::string_view kMark = "scratch table of the xa_tm benchmark";
const std::string kDecisionTable{kDecisionTableName};

/// The comment of a table; nothing when there is no such table.
std::optional<std::string> comment_of(RawConnection& session, Kind kind, const std::string& table) {
    const auto rows =
        session.query(kind == Kind::postgres
                          ? fmt::format("SELECT obj_description(c.oid, 'pg_class') FROM pg_class c "
                                        "WHERE c.oid = to_regclass('{}')",
                                        table)
                          : fmt::format("SELECT table_comment FROM information_schema.tables "
                                        "WHERE table_schema = DATABASE() AND table_name = '{}'",
                                        table));
    return rows.empty() ? std::nullopt : std::optional{rows[0][0]};
}

/// Whether an earlier run has left it.
bool is_left_over(RawConnection& session, const Resource& resource, const std::string& table) {
    const auto comment = comment_of(session, resource.kind, table);
    if (comment && *comment != kMark) {
        throw std::runtime_error(
            fmt::format("resource {}: database {} has a table {} that this benchmark did not make; "
                        "name another database",
                        resource.name, resource.database, table));
    }
    return comment.has_value();
}

/// A branch that a killed contender has left prepared keeps its locks for ever: rather fail.
void limit_waiting(RawConnection& session, Kind kind) {
    session.send(kind == Kind::postgres
                     ? "SET lock_timeout = '10s'"
                     : "SET lock_wait_timeout = 10, innodb_lock_wait_timeout = 10");
}

void make_accounts(RawConnection& session, Kind kind, const std::string& table, unsigned rows) {
    std::vector<std::string> values;
    for (unsigned id = 1; id <= rows; ++id) {
        values.push_back(kind == Kind::postgres ? fmt::format("({}, 0, clock_timestamp())", id)
                                                : fmt::format("({}, 0, SYSDATE(6))", id));
    }
    const auto insert = fmt::format("INSERT INTO {} VALUES {}", table, fmt::join(values, ", "));
    if (kind == Kind::postgres) {
        session.send(
            fmt::format("BEGIN; CREATE TABLE {0} (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL, "
                        "granted_at TIMESTAMPTZ NOT NULL); "
                        "COMMENT ON TABLE {0} IS '{1}'; {2}; COMMIT",
                        table, kMark, insert));
        return;
    }
    session.send(
        fmt::format("CREATE TABLE {} (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL, "
                    "granted_at TIMESTAMP(6) NOT NULL DEFAULT '2000-01-01') "
                    "ENGINE = InnoDB COMMENT = '{}'",
                    table, kMark));
    session.send(insert);
}

void make_decision_table(RawConnection& session, const Resource& resource) {
    if (resource.kind == Kind::postgres) {
        postgres::Datasource{"scratch", resource.uri}.set_up_decision_table();
        session.send(fmt::format("COMMENT ON TABLE {} IS '{}'", kDecisionTable, kMark));
    } else {
        mysql::Datasource{"scratch", resource.uri}.set_up_decision_table();
        session.send(fmt::format("ALTER TABLE {} COMMENT = '{}'", kDecisionTable, kMark));
    }
}

}  // namespace

std::string table_of(unsigned branch) {
    return fmt::format("xa_bench_account_{}", branch);
}

DatabaseClaim::DatabaseClaim(const Resource& resource) : session_{resource.connect()} {
    const auto answer = session_->query(
        resource.kind == Kind::postgres
            ? "SELECT pg_try_advisory_lock(hashtext('xa_tm benchmark'))::int"
            : fmt::format("SELECT GET_LOCK('xa_tm benchmark {}', 0)", resource.database));
    if (answer.at(0).at(0) != "1") {
        throw std::runtime_error(
            fmt::format("resource {}: another benchmark runs in database {}; wait for its end, or "
                        "name another database",
                        resource.name, resource.database));
    }
    for (unsigned branch = 1; branch <= kBranchesMax; ++branch) {
        static_cast<void>(is_left_over(*session_, resource, table_of(branch)));
    }
    static_cast<void>(is_left_over(*session_, resource, kDecisionTable));
}

ScratchTables::ScratchTables(std::vector<Resource> resources, unsigned places)
    : resources_{std::move(resources)} {
    try {
        for (unsigned i = 0; i < resources_.size(); ++i) {
            const auto& resource = resources_[i];
            make(resource, table_of(i + 1), [&](RawConnection& session) {
                make_accounts(session, resource.kind, table_of(i + 1), 2 + places * 100);
            });
        }
        const auto& last = resources_.back();
        make(last, kDecisionTable,
             [&](RawConnection& session) { make_decision_table(session, last); });
    } catch (...) {
        remove_all();
        throw;
    }
}

void ScratchTables::make(const Resource& resource, const std::string& name,
                         const std::function<void(RawConnection&)>& create) {
    auto& session = *sessions_.emplace_back(resource.connect());
    limit_waiting(session, resource.kind);
    if (is_left_over(session, resource, name)) {
        session.send("DROP TABLE " + name);
    }
    made_.push_back({resource, name});
    create(session);
}

ScratchTables::~ScratchTables() {
    remove_all();
}

std::vector<std::int64_t> ScratchTables::sums() {
    std::vector<std::int64_t> sums;
    for (unsigned i = 0; i < resources_.size(); ++i) {
        const auto query = fmt::format("SELECT sum(balance) FROM {}", table_of(i + 1));
        sums.push_back(std::stoll(sessions_[i]->query(query).at(0).at(0)));
    }
    return sums;
}

void ScratchTables::remove_all() noexcept {
    for (const auto& [resource, name] : made_) {
        try {
            // The session may have died with an interrupted query or a restarted server.
            const auto session = resource.connect();
            limit_waiting(*session, resource.kind);
            if (comment_of(*session, resource.kind, name) == kMark) {
                session->send("DROP TABLE " + name);
            }
        } catch (const std::exception& error) {
            fmt::print(stderr,
                       "resource {}: can't remove {} ({}); roll back what is left prepared there "
                       "and drop it\n",
                       resource.name, name, error.what());
        }
    }
}

}  // namespace xa_tm::bench
