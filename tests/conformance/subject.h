#pragma once

#include <functional>
#include <memory>
#include <string>

#include "xa_tm/connection.h"
#include "xa_tm/xa_code.h"

namespace xa_tm::test {

/// One kind of resource manager, as the conformance suite works with it: its connections, what an
/// application does in a branch, and what can be seen of it from outside.
class Subject {
public:
    /// Where the specification leaves a choice, or a server can't know better.
    struct Traits {
        /// The server knows a branch's xid from start on, and not only when it is prepared.
        bool names_active_branches;
        /// Only the session that prepared a branch can finish it, until that session has ended.
        bool keeps_prepared_branch_in_session;
        /// The vote after a statement has failed.
        XaCode vote_after_failed_statement;
        /// The vote of a deadlock's victim.
        XaCode vote_of_deadlock_victim;
    };

    virtual ~Subject() = default;

    [[nodiscard]] virtual Traits traits() const = 0;
    [[nodiscard]] virtual std::unique_ptr<Connection> connect(const SessionMark& mark) = 0;
    [[nodiscard]] std::unique_ptr<Connection> connect() {
        return connect({.text = "xa_tm-conformance"});
    }
    /// As a user who may see everything.
    [[nodiscard]] virtual std::unique_ptr<Connection> connect_as_admin() = 0;
    /// To the same database as a last resource.
    [[nodiscard]] virtual std::unique_ptr<Connection> connect_last_resource() = 0;
    virtual void set_up_decision_table() = 0;
    virtual void drop_decision_table() = 0;
    /// No rows, and no branch is prepared.
    virtual void reset() = 0;
    /// Seen from outside the transaction.
    [[nodiscard]] virtual bool has_row(int id) = 0;

    // Statements for Verb::execute.
    [[nodiscard]] virtual std::string insert_statement(int id) const = 0;
    [[nodiscard]] virtual std::string failing_statement() const = 0;

    // The application's work in the branch that is open on the connection.
    virtual void insert(Connection& connection, int id) = 0;
    /// Writes a row that is there already.
    virtual void lock_row(Connection& connection, int id) = 0;
    virtual void read(Connection& connection) = 0;
    virtual void fail_statement(Connection& connection) = 0;
    /// An insert that is made ready now and run when it is called, which may be too late.
    [[nodiscard]] virtual std::function<void()> late_insert(Connection& connection, int id) = 0;
    /// Begins to write the row that a prepared branch has written, outside of any branch; returns
    /// when that waits. What it gives ends the wait when it is destroyed, whose branch has to be
    /// finished by then.
    [[nodiscard]] virtual std::shared_ptr<void> wait_for_row(const Xid& holder, int id) = 0;
    /// Lets two branches lock each other out, and returns the one that was given up.
    [[nodiscard]] virtual Connection& make_deadlock(Connection& one, Connection& other) = 0;
    /// Ends the session at the server, as an administrator can; returns when it has ended.
    virtual void end_session(Connection& connection) = 0;
};

/// `server` is a name in the sandbox; the fake has none.
[[nodiscard]] std::unique_ptr<Subject> make_fake_subject(const std::string& server);
[[nodiscard]] std::unique_ptr<Subject> make_postgres_subject(const std::string& server);
[[nodiscard]] std::unique_ptr<Subject> make_mysql_subject(const std::string& server);
/// A MySQL whose prepared branches stay with their sessions (xa_detach_on_prepare=OFF).
[[nodiscard]] std::unique_ptr<Subject> make_keeping_mysql_subject(const std::string& server);

}  // namespace xa_tm::test
