#include "request_verbs.h"

#include <string>

#include <gtest/gtest.h>

namespace xa_tm::bench {
namespace {

std::string postgres_message(char type, const std::string& body) {
    const auto length = body.size() + 4;
    std::string message(1, type);
    for (const int shift : {24, 16, 8, 0}) {
        message += static_cast<char>(length >> shift & 0xFF);
    }
    return message + body;
}

std::string query(const std::string& sql) {
    return postgres_message('Q', sql + '\0');
}

std::string mysql_packet(char command, const std::string& body) {
    const auto length = body.size() + 1;
    return std::string{static_cast<char>(length & 0xFF), static_cast<char>(length >> 8), '\0', '\0',
                       command} +
           body;
}

const std::string kZero(1, '\0');

TEST(RequestVerbs, SeesTheVerbsOfPostgresqlInAnyCase) {
    RequestReader reader{Kind::postgres};
    EXPECT_EQ(reader.read(query("update t set a = 1")), (Verbs{.update = true}));
    EXPECT_EQ(reader.read(query("PREPARE TRANSACTION 'x'")), (Verbs{.end = true, .prepare = true}));
    EXPECT_EQ(reader.read(query("Commit prepared 'x'")), (Verbs{.commit = true}));
    EXPECT_EQ(reader.read(query("BEGIN") + query("UPDATE t SET a = 1")), (Verbs{.update = true}));
}

TEST(RequestVerbs, SeesTheVerbsOfMysql) {
    RequestReader reader{Kind::mariadb};
    EXPECT_EQ(reader.read(mysql_packet(3, "XA END 'x'")), (Verbs{.end = true}));
    EXPECT_EQ(reader.read(mysql_packet(3, "xa end 'x'; xa prepare 'x'")),
              (Verbs{.end = true, .prepare = true}));
    EXPECT_EQ(reader.read(mysql_packet(3, "XA COMMIT 'x'")), (Verbs{.commit = true}));
    EXPECT_EQ(reader.read(mysql_packet(0x17, std::string(9, '\1'))), (Verbs{.update = true}));
}

TEST(RequestVerbs, TakesNoPartOfAWordForAVerb) {
    RequestReader postgres{Kind::postgres};
    EXPECT_EQ(postgres.read(query("SET synchronous_commit = off")), Verbs{});
    EXPECT_EQ(postgres.read(query("BEGIN ISOLATION LEVEL READ COMMITTED")), Verbs{});
    RequestReader mysql{Kind::mysql};
    EXPECT_EQ(mysql.read(mysql_packet(3, "SET autocommit=0")), Verbs{});
}

TEST(RequestVerbs, RemembersAStatementThatIsSentOnceAndThenOnlyNamed) {
    RequestReader reader{Kind::postgres};
    const auto parse =
        postgres_message('P', "S_1" + kZero + "UPDATE t SET a = $1" + kZero + kZero + kZero);
    EXPECT_EQ(reader.read(parse), Verbs{});
    EXPECT_EQ(reader.read(postgres_message('B', kZero + "S_1" + kZero)), (Verbs{.update = true}));
    EXPECT_EQ(reader.read(postgres_message('B', kZero + "S_2" + kZero)), Verbs{});
}

}  // namespace
}  // namespace xa_tm::bench
