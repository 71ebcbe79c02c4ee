#include "shop.h"

#include <fmt/format.h>
#include <soci/soci.h>

#include "eventually.h"
#include "sandbox.h"
#include "undone.h"

namespace xa_tm::test {
Shop::Shop()
    : users_database_{sandbox::uri(sandbox::postgres_server())},
      points_database_{sandbox::uri(sandbox::mysql_server())} {
    for (auto* database : {&users_database_, &points_database_}) {
        database->execute("drop table if exists users");
        database->execute("drop table if exists points");
    }
    users_database_.execute("create table users (id int unique deferrable initially deferred)");
    points_database_.execute("create table points (id int primary key)");
}

Shop::~Shop() = default;

void Shop::open(Config config) {
    open_at(std::move(config), sandbox::uri(sandbox::postgres_server()),
            sandbox::uri(sandbox::mysql_server()));
}

void Shop::open_through_proxy(Config config, const std::function<void(WireProxy&)>& set_up) {
    const auto users = sandbox::tcp_uri(sandbox::postgres_server());
    const auto points = sandbox::tcp_uri(sandbox::mysql_server());
    proxy_ = std::make_unique<WireProxy>(std::vector<WireProxy::Upstream>{
        {Wire::postgresql, port_of(users)}, {Wire::mysql, port_of(points)}});
    if (set_up) {
        set_up(*proxy_);
    }
    open_at(std::move(config), with_port(users, proxy_->port(0)),
            with_port(points, proxy_->port(1)));
}

void Shop::open_at(Config config, const std::string& users_uri, const std::string& points_uri) {
    config.node = "shop";
    config.log_directory = log_directory_.path();
    config.log_segment_size_bytes = 1 << 16;
    manager_.emplace(std::move(config));
    users_ = &manager_->add<postgres::Datasource>("users", users_uri);
    points_ = &manager_->add<mysql::Datasource>("points", points_uri, points_options_);
    manager_->start();
}

void Shop::close() {
    manager_.reset();
}

void Shop::register_user(Transaction& transaction, int id) {
    const auto [users, points] = transaction.enlist(*users_, *points_);
    users.sql() << "insert into users values (:id)", soci::use(id);
    points.sql() << "insert into points values (:id)", soci::use(id);
}

std::int64_t Shop::count_rows(int id) {
    return users_database_.number(fmt::format("select count(*) from users where id = {}", id)) +
           points_database_.number(fmt::format("select count(*) from points where id = {}", id));
}

std::size_t Shop::count_prepared() {
    return users_database_.prepared().size() + points_database_.prepared().size();
}

std::size_t Shop::count_log_entries() const {
    return count_undone(log_directory_.path());
}

bool Shop::is_settled_eventually() {
    return eventually([this] { return count_prepared() == 0; });
}

}  // namespace xa_tm::test
