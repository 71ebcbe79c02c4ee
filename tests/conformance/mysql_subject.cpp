#include <stdexcept>

#include <fmt/format.h>
#include <mysql.h>

#include "eventually.h"
#include "sql_subject.h"
#include "xa_tm/mysql/datasource.h"

namespace xa_tm::test {
namespace {

class MysqlSubject : public SqlSubject<mysql::Datasource> {
public:
    explicit MysqlSubject(const std::string& server)
        : SqlSubject{server},
          witness_{"subject", sandbox::uri(server), {.has_witness = true}},
          detaches_{!admin()
                         .column("show global variables where value = 'ON' and "
                                 "variable_name = 'xa_detach_on_prepare'")
                         .empty()} {}

    Traits traits() const override {
        return {.names_active_branches = true,
                .keeps_prepared_branch_in_session = !detaches_,
                .vote_after_failed_statement = XaCode::ok,
                .takes_statements = true,
                .takes_arguments = true,
                .has_savepoints = true,
                .is_server = true,
                .has_locks = true,
                .keeps_decisions = true,
                .keeps_witnesses = true,
                .vote_of_deadlock_victim = XaCode::rbdeadlock};
    }

    std::unique_ptr<Connection> connect_with_witness() override {
        witness_.set_up_decision_table();
        return witness_.connect({.text = "xa_tm-conformance"});
    }

    std::string keep_statement(const Value& like) const override {
        return fmt::format("insert into kept (id, {}) values (?, ?)", column_for(like));
    }
    std::string recall_statement(const Value& like) const override {
        return fmt::format("select {} from kept where id = ?", column_for(like));
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

protected:
    std::string kept_columns() const override {
        return ", words longtext character set utf8mb4, truth boolean, whole bigint, "
               "natural_number bigint unsigned, fraction double, binary_data longblob";
    }

    std::int64_t waiting_sessions() override {
        // innodb_trx would be an old copy for as long as somebody keeps asking for it.
        return admin().number(
            "select count(*) from information_schema.processlist "
            "where command = 'Query' and info like 'update conformance set hits = 7%'");
    }

    void set_detaches(bool detaches) {
        admin().execute(fmt::format("set global xa_detach_on_prepare = {}", detaches));
        detaches_ = detaches;
    }

private:
    mysql::Datasource witness_;
    /// MariaDB has no such variable and keeps the branch.
    bool detaches_;
};

/// A MySQL that was told to keep prepared branches in their sessions, as MariaDB does.
class KeepingMysqlSubject final : public MysqlSubject {
public:
    explicit KeepingMysqlSubject(const std::string& server) : MysqlSubject{server} {
        set_detaches(false);
    }
    ~KeepingMysqlSubject() override { set_detaches(true); }
};

}  // namespace

std::unique_ptr<Subject> make_mysql_subject(const std::string& server) {
    return std::make_unique<MysqlSubject>(server);
}

std::unique_ptr<Subject> make_keeping_mysql_subject(const std::string& server) {
    return std::make_unique<KeepingMysqlSubject>(server);
}

}  // namespace xa_tm::test
