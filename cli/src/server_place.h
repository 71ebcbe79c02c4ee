#pragma once

#include <string>

#include "configuration.h"

namespace xa_tm::cli {

/// The command that connects a person's client to the server of a resource, without the password:
/// psql 'postgresql://shop@db-1/users', or mysql --host=db-1 --user=shop points. Empty when the URI
/// can't be read for certain.
[[nodiscard]] std::string client_command(const Resource& resource);

}  // namespace xa_tm::cli
