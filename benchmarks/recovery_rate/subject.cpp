#include "subject.h"

#include <stdexcept>

#include <fmt/format.h>

#include "eventually.h"
#include "in_threads.h"
#include "mysql/src/xid_literal.h"
#include "postgres/src/prepared_gid.h"
#include "raw_connection.h"
#include "sandbox.h"

namespace xa_tm::bench {
namespace {

constexpr std::size_t kPreparingThreads = 4;

/// PostgreSQL keeps memory for as many as its configuration says.
void make_room(const std::string& server, std::size_t branches) {
    {
        test::Database admin{test::sandbox::admin_uri(server)};
        const auto room = admin.number("select current_setting('max_prepared_transactions')::int");
        if (room >= static_cast<std::int64_t>(branches)) {
            return;
        }
        admin.execute(fmt::format("alter system set max_prepared_transactions = {}", branches));
    }
    test::sandbox::restart(server);
}

}  // namespace

Subject::Subject(const std::string& server, std::size_t branches)
    : uri_{test::sandbox::uri(server)}, is_postgresql_{uri_.starts_with("postgres")} {
    if (is_postgresql_) {
        make_room(server, branches);
    }
    database_ = std::make_unique<test::Database>(uri_);
    if (!database_->prepared().empty()) {
        throw std::runtime_error(server + " holds prepared branches already; start a new sandbox");
    }
    database_->execute("drop table if exists recovery_rate");
    database_->execute("create table recovery_rate (id int primary key)");
}

void Subject::prepare(std::span<const InDoubt> branches) {
    database_->execute("truncate table recovery_rate");
    in_threads(kPreparingThreads, [&](std::size_t thread) {
        const auto share = share_of(branches, thread, kPreparingThreads);
        prepare_some(share, static_cast<std::size_t>(share.data() - branches.data()));
    });
    // MariaDB lets a branch go only when the session that prepared it has ended.
    if (!test::eventually([&] { return database_->app_sessions() <= 1; })) {
        throw std::runtime_error("the sessions that prepared the branches do not end");
    }
}

void Subject::prepare_some(std::span<const InDoubt> branches, std::size_t first) const {
    std::unique_ptr<RawConnection> connection;
    for (std::size_t i = 0; i < branches.size(); ++i) {
        if (connection == nullptr || !is_postgresql_) {
            connection = RawConnection::open(uri_);
        }
        connection->send(preparation_of(branches[i], first + i));
    }
}

std::string Subject::literal_of(const Xid& xid) const {
    return is_postgresql_ ? fmt::format("'{}'", postgres::encode_gid(xid))
                          : mysql::xid_literal(xid);
}

std::string Subject::preparation_of(const InDoubt& branch, std::size_t row) const {
    const auto xid = literal_of(branch.xid);
    const auto work = fmt::format("insert into recovery_rate values ({})", row);
    return is_postgresql_
               ? fmt::format("begin; {}; prepare transaction {}", work, xid)
               : fmt::format("xa start {}; {}; xa end {}; xa prepare {}", xid, work, xid, xid);
}

std::string Subject::end_of(const InDoubt& branch) const {
    const auto* const verb = branch.is_decided ? "commit" : "rollback";
    const auto xid = literal_of(branch.xid);
    return is_postgresql_ ? fmt::format("{} prepared {}", verb, xid)
                          : fmt::format("xa {} {}", verb, xid);
}

void Subject::verify(std::span<const InDoubt> branches) {
    if (const auto left = database_->prepared().size(); left != 0) {
        throw std::runtime_error(fmt::format("{} branches are still prepared", left));
    }
    std::vector<std::string> expected;
    for (std::size_t row = 0; row < branches.size(); ++row) {
        if (branches[row].is_decided) {
            expected.push_back(std::to_string(row));
        }
    }
    if (database_->column("select id from recovery_rate order by id") != expected) {
        throw std::runtime_error("other rows are there than those of the decided branches");
    }
}

}  // namespace xa_tm::bench
