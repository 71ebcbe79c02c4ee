#include "sandbox.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>
#include <soci/mysql/soci-mysql.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>

#include "mysql/src/uri.h"
#include "postgres/src/libpq.h"

namespace xa_tm::test::sandbox {
namespace {

constexpr std::chrono::seconds kConnectTimeout{5};

/// Runs scripts/sandbox and returns the first line that it printed.
std::string run(const std::string& arguments) {
    const char* source_directory = std::getenv("XA_TM_SOURCE_DIR");
    if (source_directory == nullptr || std::getenv("XA_TM_SANDBOX_DIR") == nullptr) {
        throw std::runtime_error(
            "this test needs the servers of scripts/sandbox: run scripts/test, or start them and "
            "set XA_TM_SOURCE_DIR and XA_TM_SANDBOX_DIR");
    }
    const auto command = fmt::format("'{}/scripts/sandbox' {} 2>&1", source_directory, arguments);
    FILE* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) {
        throw std::runtime_error("scripts/sandbox can't be run");
    }
    std::string output;
    std::array<char, 4096> buffer{};
    while (const auto count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
        output.append(buffer.data(), count);
    }
    if (::pclose(pipe) != 0) {
        throw std::runtime_error(fmt::format("scripts/sandbox {}: {}", arguments, output));
    }
    return output.substr(0, output.find('\n'));
}

/// What scripts/sandbox prints for `uri`. It has also written that into a file, and to start the
/// script takes longer than most tests; without the file it says what is wrong.
std::string find_uri(const std::string& server, const std::string& variant) {
    if (const char* sandbox = std::getenv("XA_TM_SANDBOX_DIR")) {
        std::ifstream file{std::filesystem::path{sandbox} / server / "uris"};
        std::string name;
        std::string uri;
        while (file >> name >> uri) {
            if (name == variant) {
                return uri;
            }
        }
    }
    return run(fmt::format("uri {}{}", variant == "socket" ? "" : "--" + variant + " ", server));
}

struct Pair {
    std::string postgres;
    std::string mysql;
};

const Pair& pair() {
    static const Pair pair = [] {
        const char* variable = std::getenv("XA_TM_TEST_SERVERS");
        const std::string names{variable == nullptr ? "postgres,mariadb" : variable};
        const auto comma = names.find(',');
        if (!names.starts_with("postgres") || comma == std::string::npos) {
            throw std::runtime_error(
                "XA_TM_TEST_SERVERS has to name a PostgreSQL, a comma, and a MariaDB or MySQL");
        }
        return Pair{names.substr(0, comma), names.substr(comma + 1)};
    }();
    return pair;
}

}  // namespace

const std::string& postgres_server() {
    return pair().postgres;
}
const std::string& mysql_server() {
    return pair().mysql;
}

std::string uri(const std::string& server) {
    return find_uri(server, "socket");
}
std::string tcp_uri(const std::string& server) {
    return find_uri(server, "tcp");
}
std::string admin_uri(const std::string& server) {
    return find_uri(server, "admin");
}
std::vector<pid_t> pids(const std::string& server) {
    std::istringstream words{run("pids " + server)};
    return {std::istream_iterator<pid_t>{words}, {}};
}
void kill(const std::string& server) {
    run("kill " + server);
}
void restart(const std::string& server) {
    run("restart " + server);
}
void snapshot(const std::string& server) {
    run("snapshot " + server);
}
void restore(const std::string& server) {
    run("restore " + server);
}
void drop_snapshot(const std::string& server) {
    run("snapshot --drop " + server);
}

std::unique_ptr<soci::session> open_session(const std::string& uri) {
    if (uri.starts_with("mysql:")) {
        return std::make_unique<soci::session>(
            soci::mysql, mysql::soci_connect_string(mysql::parse_uri(uri), kConnectTimeout));
    }
    return std::make_unique<soci::session>(soci::postgresql,
                                           postgres::canonical_uri(uri, kConnectTimeout));
}

}  // namespace xa_tm::test::sandbox
