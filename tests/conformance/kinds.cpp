#include "servers.h"
#include "subjects.h"

namespace xa_tm::test {

std::vector<Kind> servers() {
    std::vector<Kind> kinds;
    for (const auto* server : kPostgresServers) {
        kinds.push_back({server, [server] { return make_postgres_subject(server); }});
    }
    for (const auto* server : kMysqlServers) {
        kinds.push_back({server, [server] { return make_mysql_subject(server); }});
    }
    return kinds;
}

}  // namespace xa_tm::test

namespace xa_tm::conformance {

std::vector<Kind> kinds() {
    auto kinds = test::servers();
    kinds.push_back(
        {"mysql-9.7-keeping", [] { return test::make_keeping_mysql_subject("mysql-9.7"); }});
    kinds.push_back({"fake", &test::make_fake_subject});
    return kinds;
}

}  // namespace xa_tm::conformance
