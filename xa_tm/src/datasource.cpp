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
    if (options_.pool_size_max == 0 || options_.pool_size_max < options_.pool_size_min) {
        throw Error({.code = ErrorCode::invalid_configuration, .resource = name_},
                    fmt::format("resource {}: pool_size_max is {}; it must be at least 1, and no "
                                "less than pool_size_min, which is {}",
                                name_, options_.pool_size_max, options_.pool_size_min));
    }
    check_is_not_negative("connection_lifetime_max", options_.connection_lifetime_max);
    check_is_not_negative("idle_timeout", options_.idle_timeout);
}

void Datasource::check_is_not_negative(std::string_view option,
                                       std::chrono::milliseconds value) const {
    if (value < std::chrono::milliseconds{0}) {
        throw Error({.code = ErrorCode::invalid_configuration, .resource = name_},
                    fmt::format("resource {}: {} is {} ms; it must be 0, which is for ever, or more",
                                name_, option, value.count()));
    }
}

PoolStatus Datasource::pool_status() const {
    return pool_->status();
}

Datasource::~Datasource() = default;

}  // namespace xa_tm
