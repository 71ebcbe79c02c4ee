#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "documented_json.h"
#include "shop_fixture.h"

namespace xa_tm::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// Both servers as last resources of one configuration file, without their tables.
class SetupLastResource : public ShopTest {
protected:
    SetupLastResource() { drop_tables(); }
    ~SetupLastResource() override { drop_tables(); }

    void drop_tables() {
        for (auto* database : {&users_, &points_}) {
            database->execute("drop table if exists xa_tm_decision");
            database->execute("drop table if exists xa_tm_witness");
            database->execute("drop table if exists xa_tm_witness_removed");
        }
    }

    [[nodiscard]] std::string config() const {
        return write_file("xa.toml", fmt::format("[resources]\n"
                                                 "users = {{ uri = \"{}\", last_resource = true "
                                                 "}}\n"
                                                 "points = {{ uri = \"{}\", last_resource = true "
                                                 "}}\n",
                                                 users_uri_, points_uri_))
            .string();
    }

    [[nodiscard]] Completed run(const std::vector<std::string>& arguments) const {
        return xa_recover(std::vector<std::string>{"setup-last-resource"} + arguments);
    }

    [[nodiscard]] static bool has_table(Database& database) {
        return database.number(
                   "select count(*) from information_schema.tables where table_name = "
                   "'xa_tm_decision' and table_schema in ('public', 'xa_tm_cli')") == 1;
    }
};

TEST_F(SetupLastResource, CreatesTheTableOfEveryLastResourceAndMayBeRepeated) {
    for (int time = 0; time < 2; ++time) {
        const auto completed = run({"--config", config()});
        EXPECT_EQ(completed.exit_code, 0) << completed;
        EXPECT_THAT(completed.out,
                    AllOf(HasSubstr("users (PostgreSQL "),
                          HasSubstr("  green   decision table: public.xa_tm_decision\n"),
                          HasSubstr("  green   decision table: `xa_tm_cli`.xa_tm_decision\n"),
                          HasSubstr("\nEvery last resource can keep its decisions.\n")));
        EXPECT_EQ(completed.err, "");
        EXPECT_TRUE(has_table(users_));
        EXPECT_TRUE(has_table(points_));
    }
}

TEST_F(SetupLastResource, ChangesNothingWhenItOnlyChecks) {
    const auto completed = run({"--check", "--config", config()});
    EXPECT_EQ(completed.exit_code, 3) << completed;
    EXPECT_THAT(completed.out,
                AllOf(HasSubstr("decision table: public.xa_tm_decision is not there"),
                      HasSubstr("mend: create the decision table: xa-recover setup-last-resource "
                                "users")));
    EXPECT_FALSE(has_table(users_));
    EXPECT_FALSE(has_table(points_));
}

TEST_F(SetupLastResource, TakesOneResourceByItsName) {
    const auto completed =
        run({"points", "--resource", "users=" + users_uri_, "--resource", "points=" + points_uri_});
    EXPECT_EQ(completed.exit_code, 0) << completed;
    EXPECT_THAT(completed.out, AllOf(StartsWith("points ("), Not(HasSubstr("users"))));
    EXPECT_FALSE(has_table(users_));
    EXPECT_TRUE(has_table(points_));
}

TEST_F(SetupLastResource, AlsoCreatesTheTablesOfWitnessRows) {
    const std::vector<std::string> named{"points", "--witness", "--resource",
                                         "points=" + points_uri_};
    for (int time = 0; time < 2; ++time) {
        const auto completed = run(named);
        EXPECT_EQ(completed.exit_code, 0) << completed;
        EXPECT_THAT(completed.out,
                    AllOf(HasSubstr("  green   witness table: `xa_tm_cli`.xa_tm_witness\n"),
                          HasSubstr("  green   use of the witness table: yes\n"),
                          HasSubstr("  green   rows in the witness table: 0\n")));
    }
    points_.execute("drop table xa_tm_witness");
    const auto file = write_file(
        "witness.toml",
        fmt::format("[resources]\npoints = {{ uri = \"{}\", witness = true }}\n", points_uri_));
    const auto checked = run({"--check", "--config", file.string()});
    EXPECT_EQ(checked.exit_code, 3) << checked;
    EXPECT_THAT(checked.out,
                AllOf(HasSubstr("red     witness table: `xa_tm_cli`.xa_tm_witness is not there"),
                      HasSubstr("setup-last-resource points --witness")));
    EXPECT_EQ(run({"--config", file.string()}).exit_code, 0);
}

TEST_F(SetupLastResource, TellsProgramsTheSame) {
    const auto completed = run({"--json", "--config", config()});
    EXPECT_EQ(completed.exit_code, 0) << completed;
    expect_documented("setup-last-resource",
                      nlohmann::ordered_json::parse(completed.out, nullptr, false));
    const auto found = json::parse(completed.out, nullptr, false);
    EXPECT_EQ(found["ready"], true);
    ASSERT_EQ(found["resources"].size(), 2U);
    EXPECT_EQ(found["resources"][0]["facts"][0]["name"], "decision table");
}

TEST_F(SetupLastResource, SaysWhatKeepsAServerFromIt) {
    const auto completed = run({"down", "--resource", "down=mysql://app:secret@127.0.0.1:1/x"});
    EXPECT_EQ(completed.exit_code, 3) << completed;
    EXPECT_THAT(completed.out, AllOf(HasSubstr("red     decision table: could not be set up"),
                                     Not(HasSubstr("secret"))));
}

TEST_F(SetupLastResource, SaysWhenItIsNotClearWhichResourceIsMeant) {
    const auto none = run({"--resource", "users=" + users_uri_});
    EXPECT_EQ(none.exit_code, 2) << none;
    EXPECT_THAT(none.err, HasSubstr("no last resource is configured; give its NAME"));
    const auto unknown = run({"user", "--resource", "users=" + users_uri_});
    EXPECT_EQ(unknown.exit_code, 2) << unknown;
    EXPECT_THAT(unknown.err, HasSubstr("there is no resource user"));
}

TEST_F(SetupLastResource, IsWhatTheDoctorAsksForWhereItIsMissing) {
    const auto before = xa_recover({"doctor", "--config", config()});
    EXPECT_EQ(before.exit_code, 3) << before;
    EXPECT_THAT(before.out, HasSubstr("setup-last-resource points"));
    EXPECT_EQ(run({"--config", config()}).exit_code, 0);
    const auto after = xa_recover({"doctor", "--config", config()});
    EXPECT_EQ(after.exit_code, 1) << after << "grants that spare a wait are missing";
    EXPECT_THAT(after.out, HasSubstr("  green   delete on the decision table: yes\n"));
}

}  // namespace
}  // namespace xa_tm::test
