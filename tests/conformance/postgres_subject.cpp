#include <stdexcept>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "sql_subject.h"
#include "xa_tm/postgres/datasource.h"

namespace xa_tm::test {
namespace {

class PostgresSubject final : public SqlSubject<postgres::Datasource> {
public:
    using SqlSubject::SqlSubject;

    Traits traits() const override {
        return {.names_active_branches = false,
                .keeps_prepared_branch_in_session = false,
                .vote_after_failed_statement = XaCode::rbrollback,
                .takes_statements = true,
                .takes_arguments = true,
                .has_savepoints = true,
                .is_server = true,
                .has_locks = true,
                .keeps_decisions = true,
                .vote_of_deadlock_victim = XaCode::rbdeadlock};
    }

    std::string keep_statement(const Value& like) const override {
        return fmt::format("insert into kept (id, {}) values ($1, $2)", column_for(like));
    }
    std::string recall_statement(const Value& like) const override {
        return fmt::format("select {} from kept where id = $1", column_for(like));
    }
    /// PostgreSQL: Binary Data Types, bytea Hex Format.
    std::string bytes_from(const std::string& shown) const override {
        std::string bytes;
        for (std::size_t at = 2; at < shown.size(); at += 2) {
            bytes += static_cast<char>(std::stoi(shown.substr(at, 2), nullptr, 16));
        }
        return bytes;
    }

    void end_session(Connection& connection) override {
        const int pid = ::PQbackendPID(postgres::Datasource::native_handle_of(connection));
        const auto statement = fmt::format("select pg_terminate_backend({}, 10000)::int", pid);
        if (admin().number(statement) != 1) {
            throw std::runtime_error("the session did not end");
        }
    }

protected:
    std::string kept_columns() const override {
        return ", words text, truth boolean, whole bigint, natural_number numeric(20), "
               "fraction double precision, binary_data bytea";
    }

    std::int64_t waiting_sessions() override {
        return admin().number("select count(*) from pg_locks where not granted");
    }
};

}  // namespace

std::unique_ptr<Subject> make_postgres_subject(const std::string& server) {
    return std::make_unique<PostgresSubject>(server);
}

}  // namespace xa_tm::test
