// `xa-recover watch` in the place of an application that has died.

#include <csignal>
#include <optional>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventually.h"
#include "http_client.h"
#include "notify_socket.h"
#include "sandbox.h"
#include "shop_fixture.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Watch : public ShopTest {
protected:
    ~Watch() override {
        if (child_) {
            static_cast<void>(stop());
        }
    }

    /// Returns when it says that it is ready.
    void start(const std::vector<std::string>& more = {}) {
        child_.emplace(std::vector<std::string>{XA_RECOVER, "watch", "--listen", "127.0.0.1:0"} +
                           options() + more,
                       ChildProcess::Environment{{"NOTIFY_SOCKET", service_manager_.name()}});
        const auto ready = service_manager_.take_until("READY=1");
        const auto url = ready.find("http://");
        ASSERT_NE(url, std::string::npos) << ready;
        url_ = ready.substr(url);
    }

    [[nodiscard]] Completed stop(int signal = SIGTERM) {
        ::kill(child_->pid(), signal);
        return ended();
    }
    [[nodiscard]] Completed ended() {
        auto completed = child_->wait();
        child_.reset();
        return completed;
    }

    [[nodiscard]] std::string get(const std::string& path) const {
        return http_request(url_, "GET", path);
    }
    [[nodiscard]] bool is_healthy() const { return get("/health").starts_with("HTTP/1.1 200 "); }
    [[nodiscard]] bool shows(const std::string& sample) const {
        return get("/metrics").find("\n" + sample + "\n") != std::string::npos;
    }
    [[nodiscard]] bool is_recovering() const {
        return shows(R"(xa_recover_watch_phase{phase="recovering"} 1)");
    }

    NotifySocket service_manager_;
    std::optional<ChildProcess> child_;
    std::string url_;
};

TEST_F(Watch, CommitsWhatADeadApplicationHasDecided) {
    die_after_decision(1);

    start();

    EXPECT_TRUE(eventually([&] { return is_healthy(); })) << get("/health");
    EXPECT_TRUE(has_user(1) && has_points(1));
    for (const auto* labels :
         {R"(resource="users",kind="postgresql")", R"(resource="points",kind="mysql")"}) {
        EXPECT_TRUE(shows(fmt::format(
            R"(xa_tm_recovery_branches_finished_total{{{},outcome="committed"}} 1)", labels)))
            << get("/metrics");
        EXPECT_TRUE(shows(fmt::format("xa_tm_branches_in_doubt{{{}}} 0", labels)));
    }
    EXPECT_THAT(get("/metrics"), HasSubstr("Content-Type: text/plain; version=0.0.4"));
    const auto stopped = stop();
    EXPECT_EQ(stopped.exit_code, 0) << stopped;
    EXPECT_EQ(stopped.out, "");
    EXPECT_THAT(stopped.err,
                AllOf(HasSubstr(" info xa_tm.recovery: Branches finished by recovery. [users] [1 "
                                "committed"),
                      HasSubstr(" info xa-recover.watch: Stopped by a signal; recovering, 0 "
                                "branches in doubt.\n")));
    EXPECT_THAT(json_of({"list"}, 0)["transactions"], testing::IsEmpty());
}

TEST_F(Watch, RollsBackWhatADeadApplicationHasNotDecided) {
    die_before_decision(1);

    start();

    EXPECT_TRUE(eventually([&] { return is_healthy(); })) << get("/health");
    EXPECT_FALSE(has_user(1) || has_points(1));
    EXPECT_THAT(get("/metrics"), HasSubstr(R"(kind="mysql",outcome="rolled_back"} 1)"));
    EXPECT_EQ(stop().exit_code, 0);
}

TEST_F(Watch, EndsByItselfWhenNothingIsLeft) {
    die_after_decision(1);

    start({"--until-done"});

    const auto completed = ended();
    EXPECT_EQ(completed.exit_code, 0) << completed;
    EXPECT_THAT(completed.err, HasSubstr("Done; recovering, 0 branches in doubt."));
    EXPECT_TRUE(has_user(1) && has_points(1));
}

TEST_F(Watch, WaitsBesideALiveOwnerAndTakesOverWhenItHasEnded) {
    die_after_decision(1);
    auto owner =
        std::make_optional<TransactionManager>(Config{.node = node(), .log_directory = log()});
    const auto before = content_of(log());

    start();

    EXPECT_THAT(service_manager_.take_until("waiting until"),
                HasSubstr(fmt::format("pid {} on", ::getpid())));
    EXPECT_TRUE(shows(R"(xa_recover_watch_phase{phase="waiting"} 1)"));
    EXPECT_THAT(get("/health"), AllOf(StartsWith("HTTP/1.1 200 "),
                                      HasSubstr(fmt::format("\"pid\": {}", ::getpid()))));
    EXPECT_EQ(content_of(log()), before);
    EXPECT_FALSE(has_user(1));

    owner.reset();

    EXPECT_TRUE(eventually([&] { return is_recovering(); }));
    EXPECT_TRUE(eventually([&] { return has_user(1) && has_points(1); }));
    const auto stopped = stop(SIGINT);
    EXPECT_EQ(stopped.exit_code, 0) << stopped;
    EXPECT_THAT(stopped.err, HasSubstr(fmt::format("Waiting until pid {} on ", ::getpid())));
}

TEST_F(Watch, TakesOverWhenTheOwnerIsKilled) {
    die_after_decision(1);
    ChildProcess owner{register_user_arguments(2),
                       {{"XA_TM_CRASH_POINT", "stop:coordinator.before_decision_forced"}}};
    ASSERT_TRUE(owner.wait_until_stopped());
    start();
    EXPECT_NE(service_manager_.take_until("waiting until"), "");

    ::kill(owner.pid(), SIGKILL);
    static_cast<void>(owner.wait());

    EXPECT_TRUE(eventually([&] { return is_recovering() && is_healthy(); })) << get("/health");
    EXPECT_TRUE(has_user(1) && has_points(1));
    EXPECT_FALSE(has_user(2) || has_points(2));
    EXPECT_EQ(stop().exit_code, 0);
}

TEST_F(Watch, StopsWhileItWaits) {
    ASSERT_EQ(register_user(1).exit_code, 0);
    const TransactionManager owner{{.node = node(), .log_directory = log()}};
    start();
    ASSERT_NE(service_manager_.take_until("waiting until"), "");

    const auto begin = std::chrono::steady_clock::now();
    const auto stopped = stop();

    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{5});
    EXPECT_EQ(stopped.exit_code, 0) << stopped;
    EXPECT_THAT(stopped.err, HasSubstr("Stopped by a signal; the log's owner goes on."));
}

TEST_F(Watch, SaysWhatItHasSeenWhenItIsStoppedBeforeItOwnsTheLog) {
    points_uri_ = cli_uri("mariadb2");
    points_ = Database{points_uri_};
    points_.execute("drop table if exists points");
    die_after_decision(1);
    const auto before = content_of(log());
    const auto pids = sandbox::pids("mariadb2");
    for (const auto pid : pids) {
        ::kill(pid, SIGSTOP);
    }
    start({"--timeout", "60"});
    ::kill(child_->pid(), SIGTERM);
    for (const auto pid : pids) {
        ::kill(pid, SIGCONT);
    }

    const auto stopped = ended();

    EXPECT_EQ(stopped.exit_code, 1) << stopped;
    EXPECT_THAT(stopped.err, HasSubstr("Stopped by a signal before it took the log over, which "
                                       "nobody owns; something is in doubt.\n"));
    EXPECT_EQ(content_of(log()), before);
    EXPECT_EQ(over_shop({"resolve"}).exit_code, 0);
    EXPECT_TRUE(has_user(1));
}

TEST_F(Watch, FailsBesideALiveOwnerWhenItMayNotWait) {
    ASSERT_EQ(register_user(1).exit_code, 0);
    const TransactionManager owner{{.node = node(), .log_directory = log()}};

    const auto failed = over_shop({"watch", "--no-wait", "--listen", "127.0.0.1:0"});

    EXPECT_EQ(failed.exit_code, 3) << failed;
    EXPECT_THAT(failed.err, HasSubstr(fmt::format("in use by process {}", ::getpid())));
}

TEST_F(Watch, IsUnhealthyWhileAServerIsDownAndHealthyAgainAfterwards) {
    points_uri_ = cli_uri("mariadb2");
    points_ = Database{points_uri_};
    points_.execute("drop table if exists points");
    die_after_decision(1);
    sandbox::kill("mariadb2");

    start({"--timeout", "2"});

    EXPECT_TRUE(eventually([&] { return is_recovering(); }));
    EXPECT_THAT(get("/health"),
                AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("resource points can't be listed")));
    EXPECT_TRUE(shows(R"(xa_tm_resource_reachable{resource="points",kind="mysql"} 0)"));
    EXPECT_TRUE(has_user(1));

    sandbox::restart("mariadb2");

    EXPECT_TRUE(eventually([&] { return is_healthy(); })) << get("/health");
    points_ = Database{points_uri_};
    EXPECT_TRUE(has_points(1));
    EXPECT_EQ(stop().exit_code, 0);
}

TEST_F(Watch, SaysWithItsExitCodeThatSomethingCouldNotBeReached) {
    points_uri_ = cli_uri("mariadb2");
    points_ = Database{points_uri_};
    points_.execute("drop table if exists points");
    die_after_decision(1);
    sandbox::kill("mariadb2");
    start({"--timeout", "2"});
    EXPECT_TRUE(eventually([&] { return is_recovering(); }));

    const auto stopped = stop();

    EXPECT_EQ(stopped.exit_code, 3) << stopped;
    EXPECT_THAT(stopped.err, HasSubstr("resource points can't be listed"));
    sandbox::restart("mariadb2");
    points_ = Database{points_uri_};
    EXPECT_EQ(over_shop({"resolve"}).exit_code, 0);
}

TEST_F(Watch, StopsWithinSecondsAlthoughAServerGivesNoAnswer) {
    points_uri_ = cli_uri("mariadb2");
    points_ = Database{points_uri_};
    points_.execute("drop table if exists points");
    die_after_decision(1);
    const auto pids = sandbox::pids("mariadb2");
    for (const auto pid : pids) {
        ::kill(pid, SIGSTOP);
    }
    start({"--timeout", "60"});

    const auto begin = std::chrono::steady_clock::now();
    const auto stopped = stop();

    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{15});
    EXPECT_EQ(stopped.signal, 0) << stopped;
    for (const auto pid : pids) {
        ::kill(pid, SIGCONT);
    }
    EXPECT_EQ(over_shop({"resolve"}).exit_code, 0);
    EXPECT_TRUE(has_user(1));
}

TEST_F(Watch, SaysThatItsPortIsInUse) {
    ASSERT_EQ(register_user(1).exit_code, 0);
    start();
    const auto before = content_of(log());

    const auto failed =
        over_shop({"watch", "--listen", url_.substr(std::string{"http://"}.size())});

    EXPECT_EQ(failed.exit_code, 2) << failed;
    EXPECT_THAT(failed.err, AllOf(HasSubstr("can't listen on 127.0.0.1:"),
                                  HasSubstr("Address already in use"), HasSubstr("--listen")));
    EXPECT_EQ(stop().exit_code, 0);
}

TEST_F(Watch, SaysThatThereIsNoLog) {
    const auto failed = over_shop({"watch", "--listen", "127.0.0.1:0"});

    EXPECT_EQ(failed.exit_code, 3) << failed;
    EXPECT_THAT(failed.err, HasSubstr("holds no log"));
}

TEST_F(Watch, ChangesNothingWhenTheLogNamesAResourceThatIsNotGiven) {
    die_after_decision(1);
    const auto before = content_of(log());

    const auto failed = xa_recover({"watch", "--listen", "127.0.0.1:0", "--log", log().string(),
                                    "--resource", "users=" + users_uri_});

    EXPECT_EQ(failed.exit_code, 2) << failed;
    EXPECT_THAT(failed.err, HasSubstr("has a branch of resource points, which is not given"));
    EXPECT_EQ(content_of(log()), before);
}

TEST_F(Watch, NeverTellsAPassword) {
    die_after_decision(1);
    points_uri_ = sandbox::tcp_uri(sandbox::mysql_server());
    start();
    EXPECT_TRUE(eventually([&] { return is_recovering(); }));

    const auto told = get("/health") + get("/metrics");

    EXPECT_THAT(told + stop().err, Not(HasSubstr("app-secret")));
    points_uri_ = cli_uri(sandbox::mysql_server());
}

}  // namespace
}  // namespace xa_tm::test
