// The simulated servers as subjects of the conformance suite, which runs on the virtual machine
// then.

#include <stdexcept>

#include "simulated_network.h"
#include "simulated_server.h"
#include "virtual_machine.h"
#include "xa_tm/conformance/suite.h"

namespace xa_tm::simulation {
namespace {

using conformance::Subject;

class SimulatedSubject final : public Subject {
public:
    explicit SimulatedSubject(ServerKind kind)
        : server_{"subject", kind, machine_, random_, nullptr} {
        server_.keep_rows(true);
    }
    ~SimulatedSubject() override { machine_.drop_events(); }
    SimulatedSubject(const SimulatedSubject&) = delete;
    SimulatedSubject& operator=(const SimulatedSubject&) = delete;

    Traits traits() const override {
        const bool is_postgres = server_.kind() == ServerKind::postgres;
        return {.names_active_branches = !is_postgres,
                .keeps_prepared_branch_in_session = server_.kind() == ServerKind::mariadb,
                .vote_after_failed_statement = is_postgres ? XaCode::rbrollback : XaCode::ok,
                .takes_statements = true,
                .has_savepoints = true,
                .is_server = true,
                .has_locks = true,
                .keeps_decisions = true,
                .vote_of_deadlock_victim = XaCode::rbdeadlock};
    }

    using Subject::connect;
    std::unique_ptr<Connection> connect(const SessionMark& mark) override {
        return datasource_.connect(mark);
    }
    std::unique_ptr<Connection> connect_as_admin() override { return datasource_.connect({}); }
    std::unique_ptr<Connection> connect_last_resource() override { return connect(); }
    void set_up_decision_table() override { datasource_.set_up_decision_table(); }
    void drop_decision_table() override { server_.drop_decision_table(); }
    void reset() override {}
    bool has_row(int id) override { return server_.has_row(std::to_string(id)); }

    std::string insert_statement(int id) const override { return std::to_string(id); }
    std::string failing_statement() const override { return "fail"; }
    std::string update_statement(int count) const override {
        return "update " + std::to_string(count);
    }

    void insert(Connection& connection, int id) override {
        if (work(connection, insert_statement(id)).code != XaCode::ok) {
            throw std::runtime_error("the statement was refused");
        }
    }
    void lock_row(Connection& connection, int id) override { insert(connection, id); }
    void read(Connection& connection) override { std::ignore = work(connection, "read"); }
    void fail_statement(Connection& connection) override {
        std::ignore = work(connection, failing_statement());
    }
    std::function<void()> late_insert(Connection& connection, int id) override {
        return [this, &connection, id] { insert(connection, id); };
    }
    std::shared_ptr<void> wait_for_row(const Xid& holder, int id) override {
        server_.block(holder, {.number = 7,
                               .user = "app",
                               .waiting = {},
                               .statement = "update conformance, row " + std::to_string(id)});
        return nullptr;
    }
    Connection& make_deadlock(Connection& one, Connection&) override {
        std::ignore = work(one, "deadlock");
        return one;
    }
    void end_session(Connection& connection) override {
        const auto admin = connect_as_admin();
        Answer answer{.code = XaCode::retry};
        while (answer.code == XaCode::retry) {
            answer = conformance::run(
                *admin, {{.verb = Verb::end_session, .session = connection.session_id()}})[0];
            machine_.sleep(std::chrono::milliseconds{1});
        }
    }

private:
    /// What the application does by itself. Throws when the session is not its own to use.
    Answer work(Connection& connection, const std::string& statement) {
        if (!connection.is_open_to_application()) {
            throw std::runtime_error("the branch has ended");
        }
        auto& session = dynamic_cast<SimulatedConnection&>(connection).session();
        return server_.carry_out(session, {}, {.verb = Verb::execute, .statement = statement});
    }

    VirtualMachine machine_;
    Random random_{1};
    SimulatedNetwork network_{machine_, random_};
    SimulatedServer server_;
    SimulatedDatasource datasource_{network_, server_, std::make_shared<ProcessLife>(), nullptr};
};

}  // namespace
}  // namespace xa_tm::simulation

namespace xa_tm::conformance {
namespace {

using simulation::ServerKind;

Kind simulated(const char* name, ServerKind kind) {
    return {name, [kind] { return std::make_unique<simulation::SimulatedSubject>(kind); }};
}

}  // namespace

std::vector<Kind> kinds() {
    return {simulated("postgres", ServerKind::postgres), simulated("mysql", ServerKind::mysql),
            simulated("mariadb", ServerKind::mariadb)};
}

}  // namespace xa_tm::conformance
