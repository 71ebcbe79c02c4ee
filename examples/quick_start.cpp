// One global transaction over two databases. Both have their tables already:
//   PostgreSQL: create table users(id int primary key, name varchar(100))
//   MariaDB:    create table points(user_id int primary key, balance int)
//
//   quick_start /var/lib/shop/xa postgresql:///users mysql://shop@localhost/points

#include <iostream>

#include <soci/soci.h>

#include <xa_tm/mysql/datasource.h>
#include <xa_tm/postgres/datasource.h>
#include <xa_tm/transaction_manager.h>

int main(int argc, char** argv) {
    if (argc != 4) {
        std::cerr << "usage: quick_start LOG_DIRECTORY POSTGRESQL_URI MYSQL_URI\n";
        return 2;
    }
    const int id = 1;
    const std::string name = "Ada";

    xa_tm::TransactionManager tm{{.node = "shop-1", .log_directory = argv[1]}};
    auto& users = tm.add<xa_tm::postgres::Datasource>("users", argv[2]);
    auto& points = tm.add<xa_tm::mysql::Datasource>("points", argv[3]);
    tm.start();  // recovers now, and keeps recovering in the background

    auto tx = tm.begin();  // rolls back at scope exit unless committed
    tx.enlist(users).sql() << "insert into users(id, name) values (:id, :name)", soci::use(id),
        soci::use(name);
    tx.enlist(points).sql() << "insert into points(user_id, balance) values (:id, 100)",
        soci::use(id);
    const auto report = tx.commit();  // never throws; the report can't be dropped
    if (report.outcome() != xa_tm::Outcome::committed) {
        std::cerr << to_string(report) << "\n";
        return 1;
    }
}
