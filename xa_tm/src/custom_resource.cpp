#include "xa_tm/custom_resource.h"

#include <exception>
#include <stdexcept>

#include <fmt/format.h>

#include "custom_connection.h"
#include "xa_tm/error.h"

namespace xa_tm {

std::uint64_t CustomWork::execute(const std::string&) {
    throw std::logic_error("the resource takes no statements; call the branch's own functions");
}

Holdings CustomResource::holdings(const Xid&) {
    return {.caveat = "the resource does not tell what a branch holds"};
}

AnyCustomDatasource::AnyCustomDatasource(std::string name, std::unique_ptr<CustomResource> resource,
                                         DatasourceOptions options)
    : Datasource{std::move(name), options}, resource_{std::move(resource)} {
    if (resource_ == nullptr) {
        throw Error({.code = ErrorCode::invalid_configuration, .resource = this->name()},
                    fmt::format("resource {}: give it a CustomResource instead of a null pointer",
                                this->name()));
    }
    if (options.is_last_resource) {
        throw Error({.code = ErrorCode::invalid_configuration, .resource = this->name()},
                    fmt::format("resource {}: a custom resource can't be the last resource; choose "
                                "a database of PostgreSQL, MySQL or MariaDB for that",
                                this->name()));
    }
    if (options.has_witness) {
        throw Error({.code = ErrorCode::invalid_configuration, .resource = this->name()},
                    fmt::format("resource {}: a custom resource has no witness rows; leave "
                                "has_witness off",
                                this->name()));
    }
}

std::unique_ptr<Connection> AnyCustomDatasource::connect(const SessionMark&) {
    try {
        return std::make_unique<CustomConnection>(name(), *resource_);
    } catch (const std::exception& error) {
        throw Error({.code = ErrorCode::resource_unreachable, .resource = name()},
                    fmt::format("resource {}: {}", name(), one_line(error.what())));
    }
}

CustomWork& AnyCustomDatasource::any_work_of(Connection& connection) {
    return static_cast<CustomConnection&>(connection).work();
}

}  // namespace xa_tm
