#pragma once

#include <string>
#include <string_view>

#include "configuration.h"

namespace xa_tm::cli {

/// The command that connects a person's client to the server of a resource, without the password:
/// psql 'postgresql://shop@db-1/users', or mysql --host=db-1 --user=shop points; mariadb where the
/// server's product says so. Empty when the URI can't be read for certain.
[[nodiscard]] std::string client_command(const Resource& resource, std::string_view product);

}  // namespace xa_tm::cli
