#include <stdexcept>

#include <fmt/format.h>
#include <mysql.h>

#include "eventually.h"
#include "sql_subject.h"
#include "xa_tm/mysql/datasource.h"

namespace xa_tm::test {
namespace {

class MariadbSubject final : public SqlSubject<mysql::Datasource> {
public:
    MariadbSubject() : SqlSubject{"mariadb"} {}

    Traits traits() const override {
        return {.names_active_branches = true,
                .keeps_prepared_branch_in_session = true,
                .vote_after_failed_statement = XaCode::ok,
                .vote_of_deadlock_victim = XaCode::rbdeadlock};
    }

    void end_session(Connection& connection) override {
        const auto id = ::mysql_thread_id(mysql::Datasource::native_handle_of(connection));
        admin().execute(fmt::format("kill connection {}", id));
        const auto has_ended = [this, id] {
            return admin().number(fmt::format(
                       "select count(*) from information_schema.processlist where id = {}", id)) ==
                   0;
        };
        if (!eventually(has_ended)) {
            throw std::runtime_error("the session did not end");
        }
    }
};

}  // namespace

std::unique_ptr<Subject> make_mariadb_subject() {
    return std::make_unique<MariadbSubject>();
}

}  // namespace xa_tm::test
