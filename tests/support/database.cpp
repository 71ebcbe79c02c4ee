#include "database.h"

#include <fmt/format.h>
#include <soci/soci.h>

#include "sandbox.h"

namespace xa_tm::test {

Database::Database(const std::string& uri)
    : is_postgresql_{uri.starts_with("postgres")}, session_{sandbox::open_session(uri)} {}

Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

void Database::execute(const std::string& statement) {
    *session_ << statement;
}

std::int64_t Database::number(const std::string& query) {
    long long value = 0;
    *session_ << query, soci::into(value);
    return value;
}

std::vector<std::string> Database::column(const std::string& query) {
    const soci::rowset<std::string> rows = (session_->prepare << query);
    return {rows.begin(), rows.end()};
}

void Database::prepare_branch(const std::string& name, const std::string& statement) {
    execute(is_postgresql_ ? "begin" : fmt::format("xa start {}", name));
    execute(statement);
    if (is_postgresql_) {
        execute(fmt::format("prepare transaction {}", name));
    } else {
        execute(fmt::format("xa end {}", name));
        execute(fmt::format("xa prepare {}", name));
    }
}

void Database::rollback_prepared(const std::string& name) {
    execute(fmt::format("{} {}", is_postgresql_ ? "rollback prepared" : "xa rollback", name));
}

std::vector<std::string> Database::prepared() {
    if (is_postgresql_) {
        return column("select gid from pg_prepared_xacts where database = current_database()");
    }
    std::vector<std::string> names;
    const soci::rowset<soci::row> rows = (session_->prepare << "XA RECOVER");
    for (const auto& row : rows) {
        names.push_back(row.get<std::string>(3));
    }
    return names;
}

std::int64_t Database::app_sessions() {
    return number(is_postgresql_
                      ? "select count(*) from pg_stat_activity where usename = 'app'"
                      : "select count(*) from information_schema.processlist where user = 'app'");
}

}  // namespace xa_tm::test
