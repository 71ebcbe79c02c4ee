#include "shop_fixture.h"

#include <csignal>
#include <fstream>
#include <random>
#include <string_view>

#include <fmt/format.h>
#include <soci/soci.h>

#include "documented_json.h"
#include "sandbox.h"

namespace xa_tm::test {

std::string cli_uri(const std::string& server) {
    auto uri = sandbox::uri(server);
    Database database{uri};
    if (uri.starts_with("mysql")) {
        database.execute("create database if not exists xa_tm_cli");
    } else if (database.number("select count(*) from pg_database where datname = 'xa_tm_cli'") ==
               0) {
        database.execute("create database xa_tm_cli");
    }
    const std::string old_name = "/xa_tm_test";
    return uri.replace(uri.find(old_name), old_name.size(), "/xa_tm_cli");
}

std::vector<std::string> operator+(std::vector<std::string> first,
                                   const std::vector<std::string>& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

namespace {

std::string hex(std::string_view bytes) {
    std::string digits;
    for (const unsigned char byte : bytes) {
        digits += fmt::format("{:02x}", byte);
    }
    return digits;
}

/// MariaDB and MySQL have no common way to list xids as one writes them in a statement.
void roll_back_all_of_mysql(soci::session& session) {
    long long format = 0;
    std::size_t gtrid_size = 0;
    long long bqual_size = 0;
    std::string data;
    const auto take_first = [&] {
        session << "xa recover", soci::into(format), soci::into(gtrid_size), soci::into(bqual_size),
            soci::into(data);
        return session.got_data();
    };
    while (take_first()) {
        session << fmt::format("xa rollback x'{}',x'{}',{}", hex(data.substr(0, gtrid_size)),
                               hex(data.substr(gtrid_size)), format);
    }
}

/// What a test that failed has left prepared would hold locks for ever.
void roll_back_all_prepared(const std::string& uri) {
    const auto session = sandbox::open_session(uri);
    if (uri.starts_with("mysql")) {
        roll_back_all_of_mysql(*session);
        return;
    }
    const soci::rowset<std::string> names =
        (session->prepare << "select quote_literal(gid) from pg_prepared_xacts where database = "
                             "current_database()");
    for (const auto& name : std::vector<std::string>{names.begin(), names.end()}) {
        *session << "rollback prepared " + name;
    }
}

}  // namespace

ShopTest::ShopTest() : node_{fmt::format("cli-{:08x}", std::random_device{}())} {
    std::filesystem::create_directory(log());
    roll_back_all_prepared(users_uri_);
    roll_back_all_prepared(points_uri_);
    users_.execute("set client_min_messages = warning");
    for (const auto* table : {"users", "points", "account"}) {
        for (auto* database : {&users_, &points_}) {
            database->execute(fmt::format("drop table if exists {}", table));
        }
    }
}

ShopTest::~ShopTest() {
    static_cast<void>(over_shop({"resolve"}));
}

Completed ShopTest::xa_recover(const std::vector<std::string>& arguments) {
    return run_program(std::vector<std::string>{XA_RECOVER} + arguments);
}

std::vector<std::string> ShopTest::options() const {
    return {"--log",      log().string(),         "--resource", "users=" + users_uri_,
            "--resource", "points=" + points_uri_};
}

Completed ShopTest::over_shop(const std::vector<std::string>& command) const {
    return xa_recover(command + options());
}

nlohmann::json ShopTest::json_of(std::vector<std::string> command, int exit_code) const {
    command.emplace_back("--json");
    const auto completed = over_shop(command);
    EXPECT_EQ(completed.exit_code, exit_code) << completed;
    expect_documented(command.front(),
                      nlohmann::ordered_json::parse(completed.out, nullptr, false));
    return nlohmann::json::parse(completed.out, nullptr, false);
}

std::vector<std::string> ShopTest::register_user_arguments(int id) const {
    return {XA_TM_REGISTER_USER,
            "--node",
            node_,
            "--log",
            log().string(),
            "--users",
            users_uri_,
            "--points",
            points_uri_,
            "--id",
            std::to_string(id),
            "--name",
            fmt::format("user {}", id)};
}

Completed ShopTest::register_user(int id, const std::string& crash_point) const {
    std::vector<std::pair<std::string, std::string>> environment;
    if (!crash_point.empty()) {
        environment.emplace_back("XA_TM_CRASH_POINT", crash_point);
    }
    return run_program(register_user_arguments(id), environment);
}

void ShopTest::die_after_decision(int id) const {
    const auto died = register_user(id, "coordinator.decision_forced");
    ASSERT_EQ(died.signal, SIGKILL) << died;
}

void ShopTest::die_before_decision(int id) const {
    const auto died = register_user(id, "coordinator.before_decision_forced");
    ASSERT_EQ(died.signal, SIGKILL) << died;
}

bool ShopTest::has_user(int id) {
    return users_.number(fmt::format("select count(*) from users where id = {}", id)) == 1;
}

bool ShopTest::has_points(int id) {
    return points_.number(fmt::format("select count(*) from points where user_id = {}", id)) == 1;
}

std::filesystem::path ShopTest::write_file(const std::string& name, const std::string& text) const {
    auto path = folder() / name;
    std::ofstream{path} << text;
    return path;
}

}  // namespace xa_tm::test
