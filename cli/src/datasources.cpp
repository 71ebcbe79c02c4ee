#include "datasources.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "xa_tm/mysql/datasource.h"
#include "xa_tm/postgres/datasource.h"

namespace xa_tm::cli {
namespace {

enum class Kind { postgresql, mysql };

Kind kind_of(const Resource& resource) {
    const std::string_view uri = resource.uri;
    const auto scheme = uri.substr(0, uri.find("://"));
    if (scheme == "postgresql" || scheme == "postgres") {
        return Kind::postgresql;
    }
    if (scheme == "mysql" || scheme == "mariadb") {
        return Kind::mysql;
    }
    throw ConfigurationError{
        fmt::format("resource {}: the URI must begin with postgresql://, mysql:// or mariadb://",
                    resource.name)};
}

DatasourceOptions options_for(const Resource& resource, std::chrono::seconds timeout) {
    DatasourceOptions options;
    options.pool_size_max = resource.pool_size;
    options.is_last_resource = resource.is_last_resource;
    options.has_witness = resource.has_witness;
    options.connect_timeout = std::min(options.connect_timeout, timeout);
    return options;
}

}  // namespace

std::vector<std::unique_ptr<Datasource>> make_datasources(std::span<const Resource> resources,
                                                          std::chrono::seconds timeout) {
    std::vector<std::unique_ptr<Datasource>> datasources;
    for (const auto& resource : resources) {
        const auto options = options_for(resource, timeout);
        switch (kind_of(resource)) {
            case Kind::postgresql:
                datasources.push_back(
                    std::make_unique<postgres::Datasource>(resource.name, resource.uri, options));
                break;
            case Kind::mysql:
                datasources.push_back(
                    std::make_unique<mysql::Datasource>(resource.name, resource.uri, options));
                break;
        }
    }
    return datasources;
}

void add_datasources(TransactionManager& manager, std::span<const Resource> resources,
                     std::chrono::seconds timeout) {
    for (const auto& resource : resources) {
        const auto options = options_for(resource, timeout);
        switch (kind_of(resource)) {
            case Kind::postgresql:
                manager.add<postgres::Datasource>(resource.name, resource.uri, options);
                break;
            case Kind::mysql:
                manager.add<mysql::Datasource>(resource.name, resource.uri, options);
                break;
        }
    }
}

}  // namespace xa_tm::cli
