#include "every_kind.h"
#include "servers.h"

namespace xa_tm::test {

std::vector<Kind> servers() {
    std::vector<Kind> kinds;
    for (const auto* server : kPostgresServers) {
        kinds.push_back({server, &make_postgres_subject});
    }
    for (const auto* server : kMysqlServers) {
        kinds.push_back({server, &make_mysql_subject});
    }
    return kinds;
}

std::vector<Kind> keeping_servers() {
    return {{"mysql-9.7", &make_keeping_mysql_subject}};
}

std::vector<Kind> stand_ins() {
    return {{"fake", &make_fake_subject}};
}

}  // namespace xa_tm::test
