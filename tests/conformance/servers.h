#pragma once

#include <array>

namespace xa_tm::test {

/// The servers of scripts/sandbox that the conformance suites run against, by their names there.
inline constexpr std::array kMysqlServers{"mariadb", "mariadb-11.8", "mysql-9.7"};
inline constexpr std::array kPostgresServers{"postgres", "postgres-18"};

}  // namespace xa_tm::test
