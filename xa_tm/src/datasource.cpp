#include "xa_tm/datasource.h"

#include <fmt/format.h>

#include "connection_pool.h"
#include "global_id.h"
#include "xa_tm/error.h"

namespace xa_tm {

namespace {

// "For ever" would overflow the clock.
constexpr std::chrono::hours kMaxPoolTimeout{24};
constexpr std::chrono::hours kMaxAge{24 * 365};

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
    if (options_.pool_size_max == 0 || options_.pool_size_max < options_.pool_size_min) {
        throw Error({.code = ErrorCode::invalid_configuration, .resource = name_},
                    fmt::format("resource {}: pool_size_max is {}; it must be at least 1, and no "
                                "less than pool_size_min, which is {}",
                                name_, options_.pool_size_max, options_.pool_size_min));
    }
    check_duration("pool_timeout", options_.pool_timeout, kMaxPoolTimeout);
    check_duration("connection_lifetime_max", options_.connection_lifetime_max, kMaxAge);
    check_duration("idle_timeout", options_.idle_timeout, kMaxAge);
}

void Datasource::check_duration(std::string_view option, std::chrono::milliseconds value,
                                std::chrono::hours max) const {
    if (value < std::chrono::milliseconds{0} || value > max) {
        throw Error({.code = ErrorCode::invalid_configuration, .resource = name_},
                    fmt::format("resource {}: {} is {} ms; it must be 0 ms to {} h", name_, option,
                                value.count(), max.count()));
    }
}

PoolStatus Datasource::pool_status() const {
    return pool_->status();
}

Datasource::~Datasource() = default;

}  // namespace xa_tm
