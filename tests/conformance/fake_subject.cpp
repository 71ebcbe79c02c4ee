#include <fmt/format.h>

#include "fake_resource_manager.h"
#include "subjects.h"

namespace xa_tm::test {
namespace {

class FakeSubject final : public Subject {
public:
    FakeSubject() { manager_.set_position({.history = {}, .flushed = 1}); }

    Traits traits() const override {
        return {.names_active_branches = true,
                .keeps_prepared_branch_in_session = false,
                .vote_after_failed_statement = XaCode::rbrollback,
                .takes_statements = true,
                .takes_arguments = true,
                .has_savepoints = true,
                .is_server = true,
                .has_locks = true,
                .keeps_decisions = true,
                .keeps_witnesses = true,
                .vote_of_deadlock_victim = XaCode::rbdeadlock};
    }

    using Subject::connect;
    std::unique_ptr<Connection> connect(const SessionMark& mark) override {
        return manager_.connect(mark);
    }
    std::unique_ptr<Connection> connect_as_admin() override { return manager_.connect({}); }
    std::unique_ptr<Connection> connect_last_resource() override { return connect(); }
    std::unique_ptr<Connection> connect_with_witness() override { return connect(); }
    void set_up_decision_table() override { manager_.set_up_decision_table(); }
    void drop_decision_table() override { manager_.drop_decision_table(); }
    void reset() override {}
    bool has_row(int id) override { return manager_.has_row(std::to_string(id)); }

    std::string insert_statement(int id) const override { return std::to_string(id); }
    std::string failing_statement() const override { return "fail"; }

    std::string update_statement(int count) const override {
        return fmt::format("rows {} updated", count);
    }
    std::string keep_statement(const Value&) const override { return "?=?"; }
    std::string recall_statement(const Value&) const override { return "read ?"; }

    void insert(Connection& connection, int id) override {
        FakeResourceManager::branch_of(connection).write(std::to_string(id));
    }
    void lock_row(Connection& connection, int id) override { insert(connection, id); }
    void read(Connection&) override {}
    void fail_statement(Connection& connection) override {
        FakeResourceManager::branch_of(connection).fail_statement();
    }
    std::function<void()> late_insert(Connection& connection, int id) override {
        return [branch = FakeResourceManager::branch_of(connection), id] {
            branch.write(std::to_string(id));
        };
    }
    std::shared_ptr<void> wait_for_row(const Xid& holder, int id) override {
        manager_.block(holder, {.number = 7,
                                .user = "app",
                                .waiting = {},
                                .statement = "update conformance, row " + std::to_string(id)});
        return nullptr;
    }
    Connection& make_deadlock(Connection& one, Connection&) override {
        FakeResourceManager::branch_of(one).lose_deadlock();
        return one;
    }
    void end_session(Connection& connection) override {
        FakeResourceManager::branch_of(connection).end_session();
    }

private:
    FakeResourceManager manager_{"subject"};
};

}  // namespace

std::unique_ptr<Subject> make_fake_subject() {
    return std::make_unique<FakeSubject>();
}

}  // namespace xa_tm::test
