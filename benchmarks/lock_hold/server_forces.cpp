#include "server_forces.h"

#include <set>
#include <stdexcept>
#include <string>
#include <utility>

namespace xa_tm::bench {
namespace {

std::optional<std::uint64_t> forces_of(const Resource& resource) {
    const auto session = resource.connect();
    switch (resource.kind) {
        case Kind::postgres:
            return std::stoull(session->query("SELECT wal_sync FROM pg_stat_wal").at(0).at(0));
        case Kind::mariadb:
            return std::stoull(
                session->query("SHOW GLOBAL STATUS LIKE 'Innodb_data_fsyncs'").at(0).at(1));
        case Kind::mysql: return std::nullopt;
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> server_forces(const std::vector<Resource>& resources) {
    std::set<std::pair<std::string, std::uint16_t>> asked;
    std::uint64_t sum = 0;
    for (const auto& resource : resources) {
        if (!asked.emplace(resource.host, resource.port).second) {
            continue;
        }
        const auto forces = forces_of(resource);
        if (!forces) {
            return std::nullopt;
        }
        sum += *forces;
    }
    return sum;
}

}  // namespace xa_tm::bench
