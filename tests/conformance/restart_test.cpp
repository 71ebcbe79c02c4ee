// What a server still knows of branches when it comes back: after a crash, and from a backup.

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "child_process.h"
#include "every_kind.h"
#include "sandbox.h"

namespace xa_tm::test {
namespace {

using testing::UnorderedElementsAreArray;

class Restart : public Conformance {
protected:
    [[nodiscard]] static bool is_postgres() {
        return std::string_view{GetParam().name}.starts_with("postgres");
    }

    void insert_outside(int id) {
        const auto xid = unique_xid();
        const auto connection = start(xid);
        subject_->insert(*connection, id);
        ASSERT_EQ(run(*connection, Verb::commit_one_phase, xid).code, XaCode::ok);
    }

    /// With what may be done to its files while it is down.
    template <class Function>
    void crash(Function while_down) {
        sandbox::kill(GetParam().name);
        while_down();
        sandbox::restart(GetParam().name);
        subject_ = GetParam().make(GetParam().name);
    }
    void crash() {
        crash([] {});
    }

    Answer ask(Connection& connection, Verb verb, const Xid& xid, const std::string& evidence) {
        return run(connection, {{.verb = verb, .xid = xid, .evidence = evidence}}).front();
    }
};

TEST_P(Restart, BringsBackWhatWasWrittenAndNotWhatWasOnlyLockedWhereTheServerDoesNotLogLocks) {
    insert_outside(1);
    const auto writing = unique_xid();
    const auto locking = unique_xid();
    const auto writer = prepare(writing, 2);
    const auto locker = start(locking);
    const auto answers =
        run(*locker, {{.verb = Verb::execute,
                       .xid = locking,
                       .statement = "select * from conformance where id = 1 for update"},
                      {.verb = Verb::prepare, .xid = locking}});
    ASSERT_EQ(answers.back().code, XaCode::ok);
    crash();
    EXPECT_EQ(run(*writer, Verb::commit, writing).code, XaCode::rmfail);
    const auto expected = is_postgres() ? std::vector{writing, locking} : std::vector{writing};
    EXPECT_THAT(listed(), UnorderedElementsAreArray(expected));
    const auto connection = subject_->connect();
    EXPECT_EQ(run(*connection, Verb::commit, writing).code, XaCode::ok);
    EXPECT_EQ(run(*connection, Verb::commit, locking).code,
              is_postgres() ? XaCode::ok : XaCode::nota);
    EXPECT_EQ(run(*connection, Verb::locate, locking).code, XaCode::nota);
    EXPECT_TRUE(subject_->has_row(2));
}

/// A copy of a server's files, made while that is down.
class Backup {
public:
    explicit Backup(const std::string& server)
        : data_{std::filesystem::canonical(std::filesystem::path{std::getenv("XA_TM_SANDBOX_DIR")} /
                                           server / "data")},
          copy_{data_.parent_path() / "backup"} {}
    Backup(const Backup&) = delete;
    Backup& operator=(const Backup&) = delete;
    ~Backup() { std::filesystem::remove_all(copy_); }

    void make() const { copy(data_, copy_); }
    void restore() const { copy(copy_, data_); }

private:
    /// With owners and rights.
    static void copy(const std::filesystem::path& from, const std::filesystem::path& to) {
        std::filesystem::remove_all(to);
        EXPECT_EQ(run_program({"/bin/cp", "-a", from.string(), to.string()}).exit_code, 0);
    }

    std::filesystem::path data_;
    std::filesystem::path copy_;
};

TEST_P(Restart, Trap29ACommitThatABackupLacksIsSeenWhereTheServerKeepsEvidence) {
    const Backup backup{GetParam().name};
    crash([&] { backup.make(); });
    const auto xid = unique_xid();
    std::string evidence;
    std::string server;
    {
        const auto connection = start(xid);
        server = connection->server_identity();
        subject_->insert(*connection, 1);
        const auto vote = run(*connection, Verb::prepare, xid);
        ASSERT_EQ(vote.code, XaCode::ok);
        evidence = vote.evidence;
        ASSERT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    }
    crash([&] { backup.restore(); });
    const auto connection = subject_->connect();
    EXPECT_EQ(connection->server_identity(), server) << "a backup has its server's name";
    EXPECT_FALSE(subject_->has_row(1));
    const auto found = ask(*connection, Verb::locate, xid, evidence);
    const auto committed = ask(*connection, Verb::commit, xid, evidence);
    if (is_postgres()) {
        EXPECT_EQ(found.code, XaCode::heurhaz) << found.message;
        EXPECT_EQ(committed.code, XaCode::heurhaz) << committed.message;
    } else {
        // MySQL and MariaDB answer alike for what has committed and what was never there.
        EXPECT_EQ(found.code, XaCode::nota);
        EXPECT_EQ(committed.code, XaCode::nota);
    }
}

INSTANTIATE_TEST_SUITE_P(Of, Restart, every_server(), name_of);

}  // namespace
}  // namespace xa_tm::test
