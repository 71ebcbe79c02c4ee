#pragma once

#include <string>

namespace examples {

/// Runs one `create table if not exists` outside any transaction, since MariaDB refuses it within
/// one. No part of using xa_tm: a real database has its tables before the application starts.
/// The URI is a datasource's; throws std::runtime_error.
void create_table(const std::string& uri, const std::string& statement);

}  // namespace examples
