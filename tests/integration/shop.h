#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "database.h"
#include "temporary_directory.h"
#include "wire_proxy.h"
#include "xa_tm/mysql/datasource.h"
#include "xa_tm/postgres/datasource.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::test {

/// A shop with users in PostgreSQL and points in MariaDB or MySQL, empty at the start of each test.
class Shop : public testing::Test {
protected:
    Shop();
    ~Shop() override;

    /// Opens the manager over both databases, directly or through the proxy, and starts it.
    void open(Config config = {});
    /// Through a proxy, set up before the start: upstream 0 is users, upstream 1 is points.
    void open_through_proxy(Config config = {}, const std::function<void(WireProxy&)>& set_up = {});
    /// Over the databases at these URIs.
    void open_at(Config config, const std::string& users_uri, const std::string& points_uri);
    /// Closes it, as at the end of an application.
    void close();

    /// Enlists both and writes one row to each.
    void register_user(Transaction& transaction, int id);
    /// How many of the two databases have a row for this user.
    [[nodiscard]] std::int64_t count_rows(int id);
    /// Branches that both servers list as prepared.
    [[nodiscard]] std::size_t count_prepared();
    /// Decisions that the log has not forgotten; the manager is closed.
    [[nodiscard]] std::size_t count_log_entries() const;
    /// Waits until background recovery has left nothing prepared.
    [[nodiscard]] bool is_settled_eventually();

    /// Of points, from the next open() on.
    DatasourceOptions points_options_;
    TemporaryDirectory log_directory_;
    Database users_database_;
    Database points_database_;
    std::unique_ptr<WireProxy> proxy_;
    std::optional<TransactionManager> manager_;
    postgres::Datasource* users_ = nullptr;
    mysql::Datasource* points_ = nullptr;
};

}  // namespace xa_tm::test
