// docs/soci.md: what works on a branch's soci::session, and what is refused.

#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/boost-optional.h>
#include <soci/mysql/soci-mysql.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>

#include "shop.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Both branches' sessions, one after the other.
class OnSoci : public Shop {
protected:
    OnSoci() {
        for (auto* database : {&users_database_, &points_database_}) {
            database->execute("drop table if exists notes");
        }
        users_database_.execute("create table notes (id int, note text, body bytea, file oid)");
        points_database_.execute("create table notes (id int, note text, body longblob)");
        open();
        transaction_.emplace(manager_->begin());
        std::tie(users_branch_, points_branch_) = enlist();
    }
    ~OnSoci() override { transaction_.reset(); }

    std::tuple<std::optional<postgres::Branch>, std::optional<mysql::Branch>> enlist() {
        auto [users, points] = transaction_->enlist(*users_, *points_);
        return {users, points};
    }
    [[nodiscard]] soci::session& users() { return users_branch_->sql(); }
    [[nodiscard]] soci::session& points() { return points_branch_->sql(); }
    [[nodiscard]] std::vector<soci::session*> both() { return {&users(), &points()}; }
    void commit() { EXPECT_EQ(transaction_->commit().outcome(), Outcome::committed); }
    [[nodiscard]] std::vector<std::int64_t> counts(const std::string& condition) {
        const auto query = "select count(*) from notes where " + condition;
        return {users_database_.number(query), points_database_.number(query)};
    }

    std::optional<Transaction> transaction_;
    std::optional<postgres::Branch> users_branch_;
    std::optional<mysql::Branch> points_branch_;
};

template <class Call>
std::string refusal_of(Call&& call) {
    try {
        call();
    } catch (const soci::soci_error& error) {
        return error.what();
    }
    return "nothing was refused";
}

TEST_F(OnSoci, RunsPreparedStatementsAgainAndAgain) {
    for (auto* sql : both()) {
        int id = 0;
        std::string note;
        soci::statement insert =
            (sql->prepare << "insert into notes (id, note) values (:id, :note)", soci::use(id),
             soci::use(note));
        for (id = 1; id <= 3; ++id) {
            note = fmt::format("note {}", id);
            insert.execute(true);
            EXPECT_EQ(insert.get_affected_rows(), 1);
        }
    }
    commit();
    EXPECT_THAT(counts("note like 'note%'"), ElementsAre(3, 3));
}

TEST_F(OnSoci, WritesAndReadsInBulk) {
    for (auto* sql : both()) {
        std::vector<int> ids{1, 2, 3};
        std::vector<std::string> notes{"a", "b", "c"};
        *sql << "insert into notes (id, note) values (:id, :note)", soci::use(ids),
            soci::use(notes);
        std::vector<int> read(10);
        *sql << "select id from notes order by id", soci::into(read);
        EXPECT_THAT(read, ElementsAre(1, 2, 3));
    }
    commit();
    EXPECT_THAT(counts("id > 0"), ElementsAre(3, 3));
}

TEST_F(OnSoci, GivesRowsetsAndDynamicRows) {
    for (auto* sql : both()) {
        *sql << "insert into notes (id, note) values (1, 'a')";
        *sql << "insert into notes (id, note) values (2, null)";
        std::vector<std::string> seen;
        soci::rowset<soci::row> rows = (sql->prepare << "select id, note from notes order by id");
        for (const auto& row : rows) {
            seen.push_back(fmt::format("{}:{}", row.get<int>(0), row.get<std::string>(1, "none")));
        }
        EXPECT_THAT(seen, ElementsAre("1:a", "2:none"));
    }
    commit();
}

TEST_F(OnSoci, WritesAndReadsNulls) {
    for (auto* sql : both()) {
        const std::string unused = "unused";
        soci::indicator is_null = soci::i_null;
        *sql << "insert into notes (id, note) values (1, :note)", soci::use(unused, is_null);
        std::string note;
        soci::indicator read = soci::i_ok;
        *sql << "select note from notes", soci::into(note, read);
        EXPECT_EQ(read, soci::i_null);
        boost::optional<std::string> optional{"unused"};
        *sql << "select note from notes", soci::into(optional);
        EXPECT_FALSE(optional.has_value());
    }
    commit();
    EXPECT_THAT(counts("note is null"), ElementsAre(1, 1));
}

TEST_F(OnSoci, KeepsLargeObjectsOfPostgresInTheBranch) {
    {
        soci::blob file{users()};
        users() << "insert into notes (id, file) values (1, lo_creat(-1))";
        users() << "select file from notes where id = 1", soci::into(file);
        file.write_from_start("body", 4);
        std::string read(4, ' ');
        file.read_from_start(read.data(), read.size());
        EXPECT_EQ(read, "body");
    }
    commit();
    EXPECT_EQ(users_database_.column("select convert_from(lo_get(file), 'UTF8') from notes"),
              std::vector<std::string>{"body"});
    users_database_.execute("select lo_unlink(file) from notes");
}

TEST_F(OnSoci, CarriesBinaryDataAsAStringOnMysqlAndAsHexadecimalOnPostgres) {
    const std::string body{"a\0b\xff'", 5};
    const std::string digits = "610062ff27";
    points() << "insert into notes (id, body) values (1, :body)", soci::use(body);
    std::string read;
    points() << "select body from notes", soci::into(read);
    EXPECT_EQ(read, body);
    users() << "insert into notes (id, body) values (1, decode(:digits, 'hex'))", soci::use(digits);
    users() << "select encode(body, 'hex') from notes", soci::into(read);
    EXPECT_EQ(read, digits);
    // SOCI 4.0.3 has no blobs for MySQL.
    EXPECT_THROW(
        {
            soci::blob blob{points()};
            blob.write_from_start("x", 1);
        },
        soci::soci_error);
    commit();
}

TEST_F(OnSoci, TellsTheLastInsertId) {
    transaction_->rollback();
    points_database_.execute("drop table if exists numbered");
    points_database_.execute("create table numbered (id int auto_increment primary key, x int)");
    transaction_.emplace(manager_->begin());
    auto& sql = transaction_->enlist(*points_).sql();
    sql << "insert into numbered (x) values (7)";
    long long id = 0;
    EXPECT_TRUE(sql.get_last_insert_id("numbered", id));
    EXPECT_EQ(id, 1);
    transaction_.reset();
    points_database_.execute("drop table numbered");
}

TEST_F(OnSoci, StillGivesTheHandleThatProgramsReachForInItsBackend) {
    EXPECT_EQ(static_cast<soci::postgresql_session_backend*>(users().get_backend())->conn_,
              users_branch_->native_handle());
    EXPECT_EQ(static_cast<soci::mysql_session_backend*>(points().get_backend())->conn_,
              points_branch_->native_handle());
}

TEST_F(OnSoci, RefusesToBeginOrEndTheBranchsTransaction) {
    for (auto* sql : both()) {
        *sql << "insert into notes (id) values (1)";
        EXPECT_THAT(refusal_of([&] { soci::transaction own{*sql}; }),
                    HasSubstr("global transaction"));
        EXPECT_THAT(refusal_of([&] { sql->begin(); }), HasSubstr("global transaction"));
        EXPECT_THAT(refusal_of([&] { sql->commit(); }), HasSubstr("global transaction"));
        EXPECT_THAT(refusal_of([&] { sql->rollback(); }), HasSubstr("global transaction"));
        *sql << "insert into notes (id) values (2)";
    }
    commit();  // the branches have taken no harm
    EXPECT_THAT(counts("id > 0"), ElementsAre(2, 2));
}

TEST_F(OnSoci, RefusesStatementsThatWouldEndTheTransaction) {
    users() << "insert into notes (id) values (1)";
    for (const std::string text :
         {"commit", "COMMIT", "rollback", "begin", "start transaction", "end",
          "insert into notes (id) values (5); commit", "/* ; */ abort",
          "prepare transaction 'mine'", "select ';' ; rollback work"}) {
        EXPECT_THAT(refusal_of([&] { users() << text; }), HasSubstr("global transaction")) << text;
    }
    // What only looks like it is carried out.
    users() << "insert into notes (id, note) values (2, 'a; commit; b')";
    users() << "do $$ begin insert into notes (id) values (3); end $$";
    users() << "savepoint a; insert into notes (id) values (4); rollback to a";
    commit();
    EXPECT_THAT(counts("id > 0"), ElementsAre(3, 0));
}

TEST_F(OnSoci, TakesSavepoints) {
    for (auto* sql : both()) {
        *sql << "insert into notes (id) values (1)";
        *sql << "savepoint a";
        *sql << "insert into notes (id) values (2)";
        *sql << "rollback to savepoint a";
    }
    commit();
    EXPECT_THAT(counts("id > 0"), ElementsAre(1, 1));
}

TEST_F(OnSoci, RollsBackWhereMysqlHasRefusedAStatementThatWouldEndTheTransaction) {
    points() << "insert into notes (id) values (1)";
    for (const std::string text : {"commit", "rollback", "begin", "create table more (id int)"}) {
        EXPECT_THAT(refusal_of([&] { points() << text; }), HasSubstr("XAER_RMFAIL")) << text;
    }
    EXPECT_EQ(transaction_->commit().outcome(), Outcome::rolled_back);
    EXPECT_THAT(counts("id > 0"), ElementsAre(0, 0));
}

TEST_F(OnSoci, ReportsABranchThatWasCommittedByTheBareHandleAsAHazardAndTheRestAsRolledBack) {
    users() << "insert into notes (id) values (1)";
    points() << "insert into notes (id) values (1)";
    PQclear(PQexec(users_branch_->native_handle(), "COMMIT"));
    const auto report = transaction_->commit();
    EXPECT_NE(report.outcome(), Outcome::committed) << to_string(report);
    EXPECT_EQ(report.branches()[0].state, BranchState::heuristic_hazard) << to_string(report);
    EXPECT_THAT(counts("id = 1"), ElementsAre(1, 0));
}

TEST_F(OnSoci, RefusesWorkOnceTheBranchHasEnded) {
    auto& users_session = users();
    auto& points_session = points();
    commit();
    EXPECT_THROW(users_session << "insert into notes (id) values (9)", soci::soci_error);
    EXPECT_THROW(points_session << "insert into notes (id) values (9)", soci::soci_error);
    transaction_.reset();
    EXPECT_THAT(counts("id = 9"), ElementsAre(0, 0));
}

}  // namespace
}  // namespace xa_tm::test
