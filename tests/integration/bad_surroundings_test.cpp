// Wrong settings and broken surroundings: each a clear error that says what to change, and nothing
// is lost.

#include <functional>
#include <string>
#include <tuple>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/soci.h>
#include <unistd.h>

#include "sandbox.h"
#include "shop.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// Expects an Error of this code whose one line matches.
void expect_error(const std::function<void()>& action, ErrorCode code,
                  const testing::Matcher<std::string>& message) {
    try {
        action();
        ADD_FAILURE() << "no error was thrown";
    } catch (const Error& error) {
        EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
        EXPECT_THAT(std::string{error.what()}, AllOf(message, Not(HasSubstr("\n"))));
        EXPECT_THAT(std::string{error.what()}, Not(HasSubstr("secret")));
    }
}

class BadSurroundings : public Shop {
protected:
    /// Opens a manager with one datasource and opens a branch there.
    template <class D>
    void enlist(const std::string& uri) {
        TransactionManager manager{{.node = "shop",
                                    .log_directory = log_directory_.path(),
                                    .log_segment_size_bytes = 1 << 16}};
        auto& datasource = manager.add<D>(
            "bank", uri, DatasourceOptions{.connect_timeout = std::chrono::seconds{2}});
        manager.start();
        auto transaction = manager.begin();
        std::ignore = transaction.enlist(datasource).sql();
    }
};

TEST_F(BadSurroundings, AreToldForAWrongPassword) {
    auto postgres = sandbox::tcp_uri(sandbox::postgres_server());
    postgres.replace(postgres.find("app-secret"), 10, "wrong-secret");
    expect_error([&] { enlist<postgres::Datasource>(postgres); }, ErrorCode::authentication_failed,
                 AllOf(HasSubstr("bank"), HasSubstr("password")));
    auto mariadb = sandbox::tcp_uri(sandbox::mysql_server());
    mariadb.replace(mariadb.find("app-secret"), 10, "wrong-secret");
    expect_error([&] { enlist<mysql::Datasource>(mariadb); }, ErrorCode::authentication_failed,
                 AllOf(HasSubstr("bank"), HasSubstr("password")));
}

TEST_F(BadSurroundings, AreToldForAnUnknownHost) {
    expect_error([&] { enlist<postgres::Datasource>("postgresql://app@no-such-host.invalid/x"); },
                 ErrorCode::resource_unreachable, HasSubstr("no-such-host.invalid"));
    expect_error([&] { enlist<mysql::Datasource>("mysql://app@no-such-host.invalid/x"); },
                 ErrorCode::resource_unreachable, HasSubstr("no-such-host.invalid"));
}

TEST_F(BadSurroundings, AreToldForAMalformedUri) {
    expect_error([&] { enlist<postgres::Datasource>("postgresql://app:secret@[::1/x"); },
                 ErrorCode::invalid_configuration, HasSubstr("bank"));
    expect_error([&] { enlist<mysql::Datasource>("mysql://app:secret@host:port/x"); },
                 ErrorCode::invalid_configuration, HasSubstr("bank"));
}

TEST_F(BadSurroundings, AreToldForUnfitNames) {
    const auto open_as = [&](const std::string& node) {
        return [&, node] {
            TransactionManager{{.node = node, .log_directory = log_directory_.path()}};
        };
    };
    expect_error(open_as(""), ErrorCode::invalid_configuration, HasSubstr("node name"));
    expect_error(open_as(std::string(21, 'n')), ErrorCode::invalid_configuration, HasSubstr("20"));
    expect_error(open_as("shop:1"), ErrorCode::invalid_configuration, HasSubstr("shop:1"));
    TransactionManager manager{{.node = "shop", .log_directory = log_directory_.path()}};
    const auto add_as = [&](const std::string& name) {
        return [&, name] { manager.add<postgres::Datasource>(name, "postgresql:///x"); };
    };
    expect_error(add_as(std::string(49, 'r')), ErrorCode::invalid_configuration, HasSubstr("48"));
    expect_error(add_as("a/b"), ErrorCode::invalid_configuration, HasSubstr("a/b"));
    add_as("bank")();
    expect_error(add_as("bank"), ErrorCode::invalid_configuration, HasSubstr("two resources"));
}

TEST_F(BadSurroundings, AreToldForADatasourceThatWasNotAdded) {
    open();
    postgres::Datasource stranger{"stranger", sandbox::uri(sandbox::postgres_server())};
    expect_error([&] { std::ignore = manager_->begin().enlist(stranger); },
                 ErrorCode::invalid_configuration, HasSubstr("stranger"));
}

TEST_F(BadSurroundings, AreToldForALogDirectoryThatIsMissing) {
    const auto missing = log_directory_.path() / "missing";
    expect_error([&] { TransactionManager{{.node = "shop", .log_directory = missing}}; },
                 ErrorCode::log_not_found, AllOf(HasSubstr("missing"), HasSubstr("create")));
}

TEST_F(BadSurroundings, AreToldForALogInUse) {
    open();
    expect_error(
        [&] { TransactionManager{{.node = "shop", .log_directory = log_directory_.path()}}; },
        ErrorCode::log_in_use, HasSubstr(std::to_string(::getpid())));
}

TEST_F(BadSurroundings, AreToldForTheLogOfAnotherNode) {
    open();
    close();
    expect_error(
        [&] { TransactionManager{{.node = "other", .log_directory = log_directory_.path()}}; },
        ErrorCode::log_foreign_node, AllOf(HasSubstr("shop"), HasSubstr("other")));
    open();
    EXPECT_EQ(manager_->log_summary().incarnation, 2U) << "the refused opening has changed nothing";
}

/// A server whose room for prepared transactions is set for one test.
class PreparedTransactions : public BadSurroundings {
protected:
    ~PreparedTransactions() override { set("reset max_prepared_transactions"); }

    void set(const std::string& setting) {
        Database{sandbox::admin_uri("postgres2")}.execute("alter system " + setting);
        sandbox::restart("postgres2");
    }
};

TEST_F(PreparedTransactions, DisabledAreToldBeforeAnyWork) {
    set("set max_prepared_transactions = 0");
    expect_error([&] { enlist<postgres::Datasource>(sandbox::uri("postgres2")); },
                 ErrorCode::two_phase_unavailable, HasSubstr("max_prepared_transactions"));
}

TEST_F(PreparedTransactions, Trap41RollBackCleanlyWhenThereAreTooMany) {
    set("set max_prepared_transactions = 1");
    Database other{sandbox::uri("postgres2")};
    other.execute("begin");
    other.execute("create table if not exists held (id int)");
    other.execute("prepare transaction 'somebody else'");

    manager_.emplace(Config{.node = "shop", .log_directory = log_directory_.path()});
    auto& bank = manager_->add<postgres::Datasource>("bank", sandbox::uri("postgres2"));
    points_ = &manager_->add<mysql::Datasource>("points", sandbox::uri(sandbox::mysql_server()));
    manager_->start();
    auto transaction = manager_->begin();
    transaction.enlist(bank).sql() << "create table not_to_be (id int)";
    transaction.enlist(*points_).sql() << "insert into points values (1)";
    const auto report = transaction.commit();
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_THAT(report.reason(), HasSubstr("max_prepared_transactions"));
    EXPECT_TRUE(report.is_settled()) << to_string(report);
    EXPECT_EQ(count_rows(1), 0);
    EXPECT_EQ(other.number("select count(*) from pg_class where relname = 'not_to_be'"), 0);
    EXPECT_EQ(other.prepared().size(), 1U) << "somebody else's is not touched";
    other.execute("rollback prepared 'somebody else'");
}

}  // namespace
}  // namespace xa_tm::test
