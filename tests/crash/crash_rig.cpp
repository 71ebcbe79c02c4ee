#include "crash_rig.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <memory>
#include <tuple>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "eventually.h"
#include "insistence.h"
#include "resources.h"
#include "sandbox.h"
#include "undone.h"
#include "xa_tm/decision_table.h"

namespace xa_tm::test {
namespace {

constexpr std::string_view kNode = "crash";
constexpr std::chrono::seconds kPatience{30};

/// It has a transaction of its own.
bool is_application(Scenario scenario) {
    switch (scenario) {
        case Scenario::commit:
        case Scenario::refuse:
        case Scenario::rollback:
        case Scenario::last_resource: return true;
        case Scenario::recover:
        case Scenario::order_commit:
        case Scenario::order_rollback: return false;
    }
    return false;
}

}  // namespace

std::string plain_name(std::string name) {
    std::ranges::replace_if(
        name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
    return name;
}

std::string to_string(Scenario scenario) {
    switch (scenario) {
        case Scenario::commit: return "commit";
        case Scenario::refuse: return "refuse";
        case Scenario::rollback: return "rollback";
        case Scenario::last_resource: return "last_resource";
        case Scenario::recover: return "recover";
        case Scenario::order_commit: return "order_commit";
        case Scenario::order_rollback: return "order_rollback";
    }
    return {};
}

CrashRig::CrashRig(std::vector<std::string> servers, bool has_last_resource)
    : servers_{std::move(servers)}, has_last_resource_{has_last_resource} {
    for (const auto& server : servers_) {
        const auto uri = sandbox::uri(server);
        Database database{uri};
        database.execute(fmt::format("drop table if exists crash_{}", plain_name(server)));
        database.execute(fmt::format(
            "create table crash_{} (id int {})", plain_name(server),
            uri.starts_with("postgres") ? "unique deferrable initially deferred" : "primary key"));
    }
    if (has_last_resource_) {
        const TemporaryDirectory unused;
        TransactionManager holder{{.node = "holder", .log_directory = unused.path()}};
        Database{sandbox::uri(servers_.back())}.execute(
            fmt::format("drop table if exists {}", kDecisionTableName));
        Resource::add(holder, last_resource(), sandbox::uri(servers_.back()),
                      {.is_last_resource = true})
            ->datasource()
            .set_up_decision_table();
    }
}

/// The next owner of the log.
std::unique_ptr<TransactionManager> CrashRig::open(const std::filesystem::path& log) const {
    auto manager = std::make_unique<TransactionManager>(
        Config{.node = std::string{kNode},
               .log_directory = log,
               .log_segment_size_bytes = std::size_t{1} << 16});
    for (const auto& server : servers_) {
        const auto name = plain_name(server);
        std::ignore = Resource::add(*manager, name, sandbox::uri(server),
                                    {.is_last_resource = name == last_resource()});
    }
    return manager;
}

std::string CrashRig::last_resource() const {
    return has_last_resource_ ? plain_name(servers_.back()) : std::string{};
}

ChildProcess CrashRig::start(Scenario scenario, const std::string& point) {
    if (is_application(scenario)) {
        ++key_;
    }
    std::vector<std::string> arguments{
        CRASH_CHILD,         "--log", log_.path(),         "--scenario",
        to_string(scenario), "--key", std::to_string(key_)};
    for (const auto& server : servers_) {
        arguments.push_back(fmt::format("{}={}", plain_name(server), sandbox::uri(server)));
    }
    if (has_last_resource_) {
        arguments.insert(arguments.end(), {"--last-resource", last_resource()});
    }
    ChildProcess::Environment environment;
    if (!point.empty()) {
        environment.emplace_back("XA_TM_CRASH_POINT", point);
    }
    return {std::move(arguments), environment};
}

Completed CrashRig::run(Scenario scenario, const std::string& point) {
    return start(scenario, point).wait();
}

void CrashRig::wait_until_sessions_are_gone() {
    for (const auto& server : servers_) {
        Database admin{sandbox::admin_uri(server)};
        ASSERT_TRUE(eventually([&] { return admin.app_sessions() == 0; }))
            << server << " still runs a session of the dead process";
    }
}

RecoveryReport CrashRig::recover() {
    return open(log_.path())->recover({.timeout = kPatience});
}

void CrashRig::insist(OrderVerb verb) {
    test::insist(*open(log_.path()), verb);
}

RecoveryReport CrashRig::look() {
    const TemporaryDirectory unused;
    TransactionManager holder{{.node = "holder", .log_directory = unused.path()}};
    std::vector<Datasource*> datasources;
    std::vector<std::unique_ptr<Resource>> resources;
    for (const auto& server : servers_) {
        resources.push_back(Resource::add(holder, plain_name(server), sandbox::uri(server)));
        datasources.push_back(&resources.back()->datasource());
    }
    return inspect(log_.path(), datasources, kPatience);
}

RecoveryReport CrashRig::recover_with_another_log() {
    const TemporaryDirectory other;
    return open(other.path())->recover({.timeout = kPatience});
}

bool CrashRig::expect_settled() {
    wait_until_sessions_are_gone();
    const auto report = recover();
    EXPECT_TRUE(report.is_complete());
    EXPECT_FALSE(report.is_anything_in_doubt());
    EXPECT_EQ(count_prepared(), 0U);
    EXPECT_EQ(count_undone(log_.path()), 0U);
    EXPECT_EQ(count_decisions(), 0U);
    const auto rows = count_rows();
    EXPECT_TRUE(rows == 0 || rows == servers_.size())
        << "torn: " << rows << " of " << servers_.size();
    return rows > 0;
}

std::size_t CrashRig::count_rows() {
    std::size_t rows = 0;
    for (const auto& server : servers_) {
        Database database{sandbox::uri(server)};
        rows += static_cast<std::size_t>(database.number(
            fmt::format("select count(*) from crash_{} where id = {}", plain_name(server), key_)));
    }
    return rows;
}

std::size_t CrashRig::count_prepared() {
    std::size_t prepared = 0;
    for (const auto& server : servers_) {
        for (const auto& name : Database{sandbox::admin_uri(server)}.prepared()) {
            prepared += name.find(fmt::format("{}:", kNode)) != std::string::npos ? 1U : 0U;
        }
    }
    return prepared;
}

std::size_t CrashRig::count_decisions() {
    return has_last_resource_
               ? static_cast<std::size_t>(Database{sandbox::uri(servers_.back())}.number(
                     fmt::format("select count(*) from {}", kDecisionTableName)))
               : 0U;
}

std::optional<std::string> reported_outcome(const Completed& end) {
    constexpr std::string_view kPrefix = "outcome=";
    const auto start = end.out.find(kPrefix);
    if (start == std::string::npos) {
        return std::nullopt;
    }
    const auto from = start + kPrefix.size();
    return end.out.substr(from, end.out.find('\n', from) - from);
}

}  // namespace xa_tm::test
