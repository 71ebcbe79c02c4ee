#include "xa_tm/datasource.h"

#include <fmt/format.h>

#include "connection_pool.h"
#include "global_id.h"
#include "xa_tm/error.h"

namespace xa_tm {

namespace {

/// "For ever" would overflow the clock.
constexpr std::chrono::hours kMaxPoolTimeout{24};

}  // namespace

Datasource::Datasource(std::string name, DatasourceOptions options)
    : name_{std::move(name)}, options_{options}, pool_{std::make_unique<ConnectionPool>(*this)} {
    if (!is_valid_name(name_, kMaxNameLength)) {
        throw Error(
            {.code = ErrorCode::invalid_configuration, .resource = name_},
            fmt::format("resource name \"{}\" can't be part of an xid: use 1 to {} characters "
                        "of A-Z a-z 0-9 . _ -",
                        name_, kMaxNameLength));
    }
    if (options_.pool_timeout < std::chrono::milliseconds{0} ||
        options_.pool_timeout > kMaxPoolTimeout) {
        throw Error({.code = ErrorCode::invalid_configuration, .resource = name_},
                    fmt::format("resource {}: pool_timeout is {} ms; it must be 0 ms to 24 h",
                                name_, options_.pool_timeout.count()));
    }
    if (options_.pool_size_max == 0) {
        throw Error({.code = ErrorCode::invalid_configuration, .resource = name_},
                    fmt::format("resource {}: pool_size_max must be at least 1", name_));
    }
}

Datasource::~Datasource() = default;

void Datasource::set_up_decision_table() {
    throw Error({.code = ErrorCode::invalid_configuration, .resource = name_},
                fmt::format("resource {}: no decisions can be kept there; choose a database of "
                            "PostgreSQL, MySQL or MariaDB for the last resource",
                            name_));
}

}  // namespace xa_tm
