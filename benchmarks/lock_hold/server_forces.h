#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "resource.h"

namespace xa_tm::bench {

/// How often the servers have forced their disks since they started, summed over servers, by their
/// own counters: pg_stat_wal of PostgreSQL 14 and later, Innodb_data_fsyncs of MariaDB. Nothing
/// when one of them does not tell: MySQL does not count the syncs of its binary log. PostgreSQL
/// tells of a session's forces at the latest when that session has ended.
[[nodiscard]] std::optional<std::uint64_t> server_forces(const std::vector<Resource>& resources);

}  // namespace xa_tm::bench
