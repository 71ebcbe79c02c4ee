#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <vector>

#include "configuration.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::cli {

/// One datasource per resource, by the scheme of its URI; connects to none. Throws
/// ConfigurationError or Error (invalid_configuration); no message holds a URI.
[[nodiscard]] std::vector<std::unique_ptr<Datasource>> make_datasources(
    std::span<const Resource> resources, std::chrono::seconds timeout);

/// Adds the same to a transaction manager. Throws as above.
void add_datasources(TransactionManager& manager, std::span<const Resource> resources,
                     std::chrono::seconds timeout);

}  // namespace xa_tm::cli
