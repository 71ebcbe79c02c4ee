// Uses both drivers and the manager, so that everything that was installed has to link; needs no
// server.

#include <filesystem>
#include <iostream>

#include <xa_tm/mysql/datasource.h>
#include <xa_tm/postgres/datasource.h>
#include <xa_tm/transaction_manager.h>

int main(int, char** argv) {
    const auto log = std::filesystem::path{argv[1]} / "log";
    std::filesystem::create_directory(log);
    xa_tm::TransactionManager manager{{.node = "consumer", .log_directory = log}};
    manager.add<xa_tm::postgres::Datasource>("users", "postgresql:///users");
    manager.add<xa_tm::mysql::Datasource>("points", "mysql://app@localhost/points");
    std::cout << "incarnation " << manager.log_summary().incarnation << '\n';
}
