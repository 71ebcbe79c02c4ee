#include <csignal>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "child_process.h"
#include "decision_record.h"
#include "documented_json.h"
#include "eventually.h"
#include "temporary_directory.h"
#include "xa_tm/recovery_log/recovery_log.h"

// The commands of `xa-recover log`, run on the files of a log whose owner is this process, or gone.
namespace xa_tm::test {
namespace {

using recovery_log::EntryId;
using recovery_log::RecoveryLog;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

constexpr std::size_t kPageBytes = 4096;

class Log : public testing::Test {
protected:
    [[nodiscard]] std::unique_ptr<RecoveryLog> open() const {
        return RecoveryLog::open({.directory = directory(),
                                  .node = "shop-1",
                                  .segment_size_bytes = 64 * kPageBytes,
                                  .copies = 1,
                                  .allow_volatile_file_system = true});
    }

    static EntryId force(RecoveryLog& log, const LogRecord& record) {
        const auto body = encode(record);
        auto reservation = log.reserve(body.size());
        EXPECT_TRUE(reservation);
        return log.force(std::move(*reservation), body).id;
    }

    static EntryId decide(RecoveryLog& log, const std::string& gtrid) {
        const auto now = std::chrono::system_clock::now();
        return force(log, Decision{.gtrid = gtrid,
                                   .decided_at =
                                       std::chrono::time_point_cast<std::chrono::microseconds>(now),
                                   .branches = {{"users", "users:1", "server-a", "tx-4711"},
                                                {"points", "points:2", "server-b", ""}}});
    }

    [[nodiscard]] static Completed run(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {XA_RECOVER, "log"});
        return run_program(std::move(arguments));
    }

    [[nodiscard]] nlohmann::json json_of(std::vector<std::string> arguments, int exit_code) const {
        const auto command = "log " + arguments.front();
        arguments.insert(arguments.end(), {directory().string(), "--json"});
        const auto completed = run(std::move(arguments));
        EXPECT_EQ(completed.exit_code, exit_code) << completed;
        expect_documented(command, nlohmann::ordered_json::parse(completed.out, nullptr, false));
        return nlohmann::json::parse(completed.out, nullptr, false);
    }

    /// Of the only segment.
    void flip_bit(std::size_t page) const {
        std::fstream segment{directory() / kSegment, std::ios::in | std::ios::out};
        const auto at = static_cast<std::streamoff>(page * kPageBytes + 100);
        segment.seekg(at);
        const auto byte = segment.get();
        segment.seekp(at);
        segment.put(static_cast<char>(byte ^ 1));
    }

    [[nodiscard]] const std::filesystem::path& directory() const { return directory_.path(); }

    static constexpr auto kSegment = "decision-0000000001-0000000001.xlog";

private:
    TemporaryDirectory directory_;
};

TEST_F(Log, ListsWhatIsLiveBesideItsOwner) {
    const auto log = open();
    const auto kept = decide(*log, "gtrid-1");
    log->forget(decide(*log, "gtrid-2"));
    decide(*log, "gtrid-3");

    const auto json = json_of({"list"}, 0);

    EXPECT_EQ(json["log"]["owner"]["pid"], ::getpid());
    EXPECT_EQ(json["log"]["id"], log->id().to_string());
    ASSERT_EQ(json["entries"].size(), 2U) << json;
    EXPECT_EQ(json["entries"][0]["entry"], kept);
    EXPECT_EQ(json["entries"][0]["decision"]["gtrid"], "gtrid-1");
    EXPECT_EQ(json["entries"][0]["decision"]["branches"][0]["evidence"], "tx-4711");
    EXPECT_LT(json["entries"][0]["age_s"], 100);
}

TEST_F(Log, ListsWhatIsLiveAfterItsOwner) {
    decide(*open(), "gtrid-1");

    const auto listed = run({"list", directory().string()});

    EXPECT_EQ(listed.exit_code, 0) << listed;
    EXPECT_THAT(listed.out,
                AllOf(HasSubstr("incarnation 1, owned by no process\n"), HasSubstr("gtrid-1"),
                      HasSubstr("users, points\n"), EndsWith("The log holds 1 decision.\n")));
}

TEST_F(Log, ShowsADecisionByItsEntryAndByItsTransaction) {
    const auto id = decide(*open(), "gtrid-1");

    for (const auto& wanted : {std::to_string(id), std::string{"gtrid-1"}}) {
        const auto shown = run({"show", wanted, directory().string()});

        EXPECT_EQ(shown.exit_code, 0) << shown;
        EXPECT_THAT(shown.out,
                    AllOf(HasSubstr(fmt::format("entry {}, decision to commit\n", id)),
                          HasSubstr("state     live\n"), HasSubstr("gtrid     gtrid-1\n"),
                          HasSubstr("users:1 at users\n"), HasSubstr("server    server-a\n"),
                          HasSubstr("evidence  tx-4711\n"),
                          HasSubstr(fmt::format("stands in {}, page 1, byte 4192\n", kSegment))));
    }
}

TEST_F(Log, ShowsAForgottenEntryThatStillStandsThere) {
    {
        const auto log = open();
        log->forget(decide(*log, "gtrid-1"));
        decide(*log, "gtrid-2");
    }

    const auto json = json_of({"show", "gtrid-1"}, 0);

    ASSERT_EQ(json["entries"].size(), 1U) << json;
    EXPECT_EQ(json["entries"][0]["live"], false);
    EXPECT_EQ(json["entries"][0]["forgotten_by"]["page"], 2);
}

TEST_F(Log, ShowsAHeuristicOutcome) {
    force(*open(), Heuristic{.gtrid = "gtrid-1", .bqual = "users:1", .code = XaCode::heurrb});

    EXPECT_THAT(run({"show", "gtrid-1", directory().string()}).out,
                AllOf(HasSubstr("heuristic outcome"), HasSubstr("XA_HEURRB")));
}

TEST_F(Log, HasNothingToShowOfATransactionThatItDoesNotHold) {
    decide(*open(), "gtrid-1");

    const auto shown = run({"show", "gtrid-2", directory().string()});

    EXPECT_EQ(shown.exit_code, 2) << shown;
    EXPECT_THAT(shown.err, HasSubstr("no entry gtrid-2 stands in the log"));
}

TEST_F(Log, IsVerifiedBesideItsOwnerAndAfterIt) {
    auto log = open();
    decide(*log, "gtrid-1");
    const auto beside = run({"verify", directory().string()});
    log.reset();
    const auto after = run({"verify", directory().string()});

    for (const auto& verified : {beside, after}) {
        EXPECT_EQ(verified.exit_code, 0) << verified;
        EXPECT_THAT(verified.out, AllOf(HasSubstr("1 entry is live."), Not(HasSubstr("warning")),
                                        EndsWith("The log is sound.\n")));
    }
}

TEST_F(Log, FailsTheVerificationWhenItIsDamaged) {
    decide(*open(), "gtrid-1");
    flip_bit(1);

    const auto verified = run({"verify", directory().string()});

    EXPECT_EQ(verified.exit_code, 3) << verified;
    EXPECT_THAT(verified.out, AllOf(HasSubstr("The log does not open:\n"), HasSubstr("page 1"),
                                    HasSubstr("not a torn tail"), HasSubstr("may be missing")));
    const auto json = json_of({"verify"}, 3);
    EXPECT_EQ(json["sound"], false);
    EXPECT_EQ(json["errors"].size(), 1U);
    EXPECT_EQ(json["segments"][0]["damaged_pages"], 1);
}

TEST_F(Log, SaysWhatIsDamagedWhereverItIsAsked) {
    decide(*open(), "gtrid-1");
    flip_bit(1);

    for (const auto& command : {std::vector<std::string>{"list"}, {"show", "1"}, {"tail"}}) {
        auto arguments = command;
        arguments.push_back(directory().string());
        const auto completed = run(arguments);

        EXPECT_EQ(completed.exit_code, 3) << completed;
        EXPECT_THAT(completed.err, HasSubstr("not a torn tail"));
    }
}

TEST_F(Log, IsSoundWithAnEntryOfALaterVersionOnlyForThatVersion) {
    {
        const auto log = open();
        auto body = encode(Heuristic{.gtrid = "gtrid-1", .bqual = "b", .code = XaCode::heurrb});
        body[0] = std::byte{2};
        ASSERT_TRUE(log->force(log->reserve(body.size()).value(), body).id != 0);
    }

    const auto verified = run({"verify", directory().string()});

    EXPECT_EQ(verified.exit_code, 3) << verified;
    EXPECT_THAT(verified.out, HasSubstr("of a version that this program does not know"));
}

TEST_F(Log, TailsTheLastRecords) {
    const auto log = open();
    const auto id = decide(*log, "gtrid-1");
    log->forget(id);
    decide(*log, "gtrid-2");

    const auto tail = run({"tail", "-n", "2", directory().string()});

    EXPECT_EQ(tail.exit_code, 0) << tail;
    std::istringstream lines{tail.out};
    std::string line;
    std::getline(lines, line);
    EXPECT_THAT(line,
                AllOf(HasSubstr("ENTRY"), EndsWith("decision to commit gtrid-2 at users, points")));
    std::getline(lines, line);
    EXPECT_THAT(line, AllOf(HasSubstr("FORGOTTEN"), EndsWith(fmt::format("entry {}", id))));
    EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(Log, TailsAsOneJsonObjectALine) {
    decide(*open(), "gtrid-1");

    const auto tail = run({"tail", directory().string(), "--json"});

    std::istringstream lines{tail.out};
    std::vector<std::string> types;
    for (std::string line; std::getline(lines, line);) {
        types.push_back(nlohmann::json::parse(line)["type"]);
    }
    EXPECT_THAT(types, testing::ElementsAre("SEGMENT_HEAD", "CHECKPOINT_END", "ENTRY"));
}

TEST_F(Log, IsFollowedWhileItGrows) {
    const auto log = open();
    const TemporaryDirectory folder;
    const auto file = folder.path() / "out";
    ChildProcess follower{{"/bin/sh", "-c", "exec \"$0\" log tail --follow \"$1\" > \"$2\"",
                           XA_RECOVER, directory().string(), file.string()},
                          {}};
    const auto shows = [&](const std::string& text) {
        return eventually([&] {
            const auto files = content_of(folder.path());
            return files.contains("out") && files.at("out").find(text) != std::string::npos;
        });
    };

    EXPECT_TRUE(shows("CHECKPOINT_END"));
    // Through several segments, but never so far ahead that one is reused before it was read.
    for (int i = 0; i < 200; ++i) {
        const auto gtrid = fmt::format("passing-{}", i);
        log->forget(decide(*log, gtrid));
        if (i % 20 == 0) {
            EXPECT_TRUE(shows("decision to commit " + gtrid + " "));
        }
    }

    ::kill(follower.pid(), SIGINT);
    EXPECT_EQ(follower.wait().signal, SIGINT);
}

TEST_F(Log, IsInspectedPageByPage) {
    decide(*open(), "gtrid-1");

    const auto inspected = run({"inspect", "--pages", directory().string()});

    EXPECT_EQ(inspected.exit_code, 0) << inspected;
    EXPECT_THAT(inspected.out,
                AllOf(HasSubstr(fmt::format("{}  in use\n", kSegment)),
                      HasSubstr("256 KiB, 3 of 64 pages used, 1 copy of each\n"),
                      HasSubstr("pages 1 to 3 in 3 flushes; closed cleanly\n"),
                      HasSubstr("page 1, byte 4096: intact, number 2, flush 2 + 1\n"),
                      HasSubstr("decision to commit gtrid-1 at users, points\n"),
                      HasSubstr("page 2, byte 8192: intact, number 3, flush 3 + 1, clean "
                                "shutdown\n")));
}

TEST_F(Log, IsInspectedSegmentBySegment) {
    decide(*open(), "gtrid-1");

    const auto json = json_of({"inspect", "--segment", kSegment, "--pages"}, 0);
    ASSERT_EQ(json["segments"].size(), 1U);
    EXPECT_EQ(json["segments"][0]["role"], "in_use");
    EXPECT_EQ(json["segments"][0]["content"].size(), 3U);
    EXPECT_EQ(json["segments"][0]["content"][1]["records"][0]["type"], "ENTRY");

    const auto none = run({"inspect", "--segment", "no-segment", directory().string()});
    EXPECT_EQ(none.exit_code, 2) << none;
    EXPECT_THAT(none.err, HasSubstr("no segment no-segment"));
}

TEST_F(Log, NamesTheDamagedPagesWhenItIsInspected) {
    decide(*open(), "gtrid-1");
    flip_bit(1);

    const auto inspected = run({"inspect", directory().string()});

    EXPECT_EQ(inspected.exit_code, 3) << inspected;
    EXPECT_THAT(inspected.out,
                AllOf(HasSubstr("1 damaged\n"), HasSubstr("page 1, byte 4096: damaged\n"),
                      HasSubstr("The log does not open:\n")));
}

TEST_F(Log, IsLeftAsItIs) {
    decide(*open(), "gtrid-1");
    const auto before = content_of(directory());

    for (const auto& command : {std::vector<std::string>{"list"},
                                {"show", "gtrid-1"},
                                {"verify"},
                                {"tail"},
                                {"inspect", "--pages"}}) {
        auto arguments = command;
        arguments.push_back(directory().string());
        EXPECT_EQ(run(arguments).exit_code, 0);
    }
    EXPECT_EQ(content_of(directory()), before);
}

TEST_F(Log, IsNamedByDirectoryOptionOrConfiguration) {
    decide(*open(), "gtrid-1");
    const TemporaryDirectory folder;
    const auto file = (folder.path() / "xa.toml").string();
    std::ofstream{file} << fmt::format("node = 'shop-1'\nlog = '{}'\n", directory().string());

    EXPECT_EQ(run({"verify", directory().string()}).exit_code, 0);
    EXPECT_EQ(run({"verify", "--log", directory().string()}).exit_code, 0);
    EXPECT_EQ(run({"verify", "--config", file}).exit_code, 0);
    EXPECT_THAT(run({"verify"}).err, HasSubstr("no log given"));
    EXPECT_THAT(run({"verify", "a", "--log", "b"}).err, HasSubstr("give the log's folder once"));
}

TEST_F(Log, OfAnotherNodeIsRefused) {
    decide(*open(), "gtrid-1");
    const TemporaryDirectory folder;
    const auto file = (folder.path() / "xa.toml").string();
    std::ofstream{file} << fmt::format("node = 'shop-2'\nlog = '{}'\n", directory().string());

    for (const auto& command : {std::vector<std::string>{"list"},
                                {"show", "gtrid-1"},
                                {"verify"},
                                {"tail"},
                                {"inspect"}}) {
        auto arguments = command;
        arguments.insert(arguments.end(), {"--config", file});
        const auto refused = run(arguments);

        EXPECT_EQ(refused.exit_code, 2) << refused;
        EXPECT_EQ(refused.out, "");
        EXPECT_THAT(refused.err, HasSubstr("belongs to node shop-1, but the configuration says"));
    }
}

TEST_F(Log, ShowsWhatARepairWouldLoseAndChangesNothing) {
    {
        const auto log = open();
        decide(*log, "gtrid-1");
        decide(*log, "gtrid-2");
    }
    flip_bit(1);
    const auto before = content_of(directory());

    const auto planned = run({"repair", directory().string()});

    EXPECT_EQ(planned.exit_code, 3) << planned;
    EXPECT_THAT(planned.out,
                AllOf(HasSubstr("lost: page 1 of "), HasSubstr("decision to commit gtrid-2"),
                      Not(HasSubstr("gtrid-1")), HasSubstr("--from DIR2")));
    EXPECT_EQ(content_of(directory()), before);
}

TEST_F(Log, IsRepairedWithALossThatIsAccepted) {
    {
        const auto log = open();
        decide(*log, "gtrid-1");
        decide(*log, "gtrid-2");
    }
    flip_bit(1);

    const auto repaired = run({"repair", "--accept-loss", directory().string()});

    EXPECT_EQ(repaired.exit_code, 0) << repaired;
    EXPECT_THAT(repaired.out, HasSubstr("The log is repaired and opens again:\n"));
    EXPECT_TRUE(std::filesystem::exists(directory() / (std::string{kSegment} + ".broken")));
    const auto verified = run({"verify", directory().string()});
    EXPECT_EQ(verified.exit_code, 0) << verified;
    EXPECT_THAT(verified.out, HasSubstr("warning: decisions of the incarnations up to 1 may be"));
    EXPECT_EQ(open()->quarantined_through(), 1U);
}

TEST_F(Log, IsRepairedFromACopyWithoutALoss) {
    decide(*open(), "gtrid-1");
    const TemporaryDirectory copy;
    std::filesystem::copy(directory(), copy.path());
    flip_bit(1);

    const auto repaired =
        run({"repair", "--from", copy.path().string(), directory().string(), "--json"});

    EXPECT_EQ(repaired.exit_code, 0) << repaired;
    const auto json = nlohmann::json::parse(repaired.out, nullptr, false);
    EXPECT_EQ(json["done"], true);
    EXPECT_EQ(json["pages_from_mirror"], 1);
    EXPECT_EQ(json["loss"], nullptr);
    EXPECT_EQ(json["entries"][0]["decision"]["gtrid"], "gtrid-1");
    EXPECT_EQ(open()->quarantined_through(), 0U);
}

TEST_F(Log, IsNotRepairedFromACopyThatLacksWhatIsLost) {
    const TemporaryDirectory copy;
    {
        const auto log = open();
        std::filesystem::copy(directory(), copy.path());
        decide(*log, "gtrid-1");
    }
    flip_bit(1);
    const auto before = content_of(directory());

    const auto refused = run({"repair", "--from", copy.path().string(), directory().string()});

    EXPECT_EQ(refused.exit_code, 3) << refused;
    EXPECT_THAT(refused.out, HasSubstr("The copy does not have what is lost"));
    EXPECT_EQ(content_of(directory()), before);
}

TEST_F(Log, NeedsNoRepairWhenItIsSound) {
    decide(*open(), "gtrid-1");

    const auto repaired = run({"repair", "--accept-loss", directory().string()});

    EXPECT_EQ(repaired.exit_code, 0) << repaired;
    EXPECT_EQ(repaired.out, "The log is sound: there is nothing to repair.\n");
    EXPECT_EQ(open()->incarnation(), 2U);
}

TEST_F(Log, MarksWhatIsNotYetKnownToBeDurable) {
    const auto log = open();
    decide(*log, "gtrid-1");
    decide(*log, "gtrid-2");

    const auto before = json_of({"list"}, 0);
    EXPECT_EQ(before["entries"][0]["known_durable"], true);
    EXPECT_EQ(before["entries"][1]["known_durable"], false);
    EXPECT_THAT(run({"show", "gtrid-2", directory().string()}).out,
                HasSubstr("live, not yet known durable"));

    // The idle owner writes a seal behind it.
    EXPECT_TRUE(eventually([&] {
        log->maintain();
        return json_of({"list"}, 0)["entries"][1]["known_durable"] == true;
    }));
}

TEST_F(Log, IsVerifiedWithAWarningWhenACopyOfAPageIsBad) {
    const auto two_copies = [&] {
        return RecoveryLog::open({.directory = directory(),
                                  .node = "shop-1",
                                  .segment_size_bytes = 64 * kPageBytes,
                                  .copies = 2,
                                  .allow_volatile_file_system = true});
    };
    decide(*two_copies(), "gtrid-1");
    flip_bit(1);

    const auto verified = run({"verify", directory().string()});

    EXPECT_EQ(verified.exit_code, 0) << verified;
    EXPECT_THAT(verified.out,
                AllOf(HasSubstr("warning: "), HasSubstr("1 page with a bad copy and a good one"),
                      EndsWith("The log is sound.\n")));
    EXPECT_EQ(json_of({"verify"}, 0)["warnings"].size(), 1U);
}

TEST_F(Log, IsNotFoundWhereThereIsNone) {
    for (const auto& command : {"list", "verify", "tail", "inspect", "repair"}) {
        const auto empty = run({command, directory().string()});
        EXPECT_EQ(empty.exit_code, 3) << empty;
        EXPECT_THAT(empty.err, HasSubstr("holds no log"));
        EXPECT_EQ(run({command, (directory() / "missing").string()}).exit_code, 3);
    }
    EXPECT_TRUE(std::filesystem::is_empty(directory()));
}

}  // namespace
}  // namespace xa_tm::test
