#pragma once

#include <functional>
#include <memory>
#include <string>

#include "xa_tm/connection.h"
#include "xa_tm/value.h"
#include "xa_tm/xa_code.h"
#include "xa_tm/xid.h"

namespace xa_tm::conformance {

/// One kind of resource manager, as the conformance suite works with it: its connections, what an
/// application does in a branch, and what can be seen of it from outside. A "row" is whatever a
/// branch can add that has a number: a row of a table, a file, an entry.
///
/// Ownership: owns whatever it connects to; outlives its connections.
/// Thread safety: one thread at a time.
class Subject {
public:
    /// Where the specification leaves a choice, or a resource can't know better. As they are, they
    /// fit an xa_tm::CustomDatasource; tests of what a resource does not have are skipped.
    struct Traits {
        /// It knows a branch's xid from start on, and not only when it is prepared.
        bool names_active_branches = false;
        /// Only the session that prepared a branch can finish it, until that session has ended.
        bool keeps_prepared_branch_in_session = false;
        /// The vote after a statement has failed.
        XaCode vote_after_failed_statement = XaCode::ok;
        /// It carries out Verb::execute.
        bool takes_statements = false;
        /// Its statements take arguments, and give results.
        bool takes_arguments = false;
        /// It takes the statements `savepoint NAME` and `rollback to savepoint NAME`.
        bool has_savepoints = false;
        /// Sessions are at a server, which lives on without them and can end them.
        bool is_server = false;
        /// Branches wait for each other and can lock each other out, and Verb::examine tells what a
        /// prepared one holds.
        bool has_locks = false;
        /// It can play its process's death and another one's beginning.
        bool can_be_reopened = false;
        /// It keeps decisions as rows, so that it can be a last resource.
        bool keeps_decisions = false;
        /// Its branches can leave witness rows.
        bool keeps_witnesses = false;
        /// The vote of a deadlock's victim.
        XaCode vote_of_deadlock_victim = XaCode::rbdeadlock;
    };

    virtual ~Subject() = default;

    [[nodiscard]] virtual Traits traits() const = 0;
    [[nodiscard]] virtual std::unique_ptr<Connection> connect(const SessionMark& mark) = 0;
    [[nodiscard]] std::unique_ptr<Connection> connect() {
        return connect({.text = "xa_tm-conformance"});
    }
    /// As a user who may see everything.
    [[nodiscard]] virtual std::unique_ptr<Connection> connect_as_admin() { return connect(); }
    /// No rows, and no branch is prepared.
    virtual void reset() = 0;
    /// Seen from outside the transaction.
    [[nodiscard]] virtual bool has_row(int id) = 0;

    // The application's work in the branch that is open on the connection; throws when none is.
    virtual void insert(Connection& connection, int id) = 0;
    /// Tries what the resource refuses, and takes no notice of the exception.
    virtual void fail_statement(Connection& connection) = 0;
    virtual void read(Connection& /*connection*/) {}
    /// An insert that is made ready now and run when it is called, which may be too late.
    [[nodiscard]] virtual std::function<void()> late_insert(Connection& connection, int id) {
        return [this, &connection, id] { insert(connection, id); };
    }

    // Statements for Verb::execute, of those that take them.
    [[nodiscard]] virtual std::string insert_statement(int id) const;
    [[nodiscard]] virtual std::string failing_statement() const;
    /// Writes the rows 1 to `count`, which the branch has inserted.
    [[nodiscard]] virtual std::string update_statement(int count) const;

    // Those with placeholders, of those that take arguments. Something is kept apart from rows: a
    // number with a value, which is NULL or of the same type as `like`; reset() leaves nothing of
    // it.
    /// Keeps a value. Two placeholders: the number, and the value.
    [[nodiscard]] virtual std::string keep_statement(const Value& like) const;
    /// Gives the kept value as one row of one column. One placeholder: the number.
    [[nodiscard]] virtual std::string recall_statement(const Value& like) const;
    /// The bytes that a result shows so.
    [[nodiscard]] virtual std::string bytes_from(const std::string& shown) const { return shown; }

    // Of those that have locks.
    /// Writes a row that is there already.
    virtual void lock_row(Connection& connection, int id);
    /// Begins to write the row that a prepared branch has written, outside of any branch; returns
    /// when that waits. What it gives ends the wait when it is destroyed, whose branch has to be
    /// finished by then.
    [[nodiscard]] virtual std::shared_ptr<void> wait_for_row(const Xid& holder, int id);
    /// Lets two branches lock each other out, and returns the one that was given up.
    [[nodiscard]] virtual Connection& make_deadlock(Connection& one, Connection& other);

    // Of those that can be reopened.
    /// Forgets everything that is in memory and opens the same data again, as another process would
    /// after this one's death. No connection is open.
    virtual void reopen();

    // Of those that keep decisions.
    /// To the same database as a last resource.
    [[nodiscard]] virtual std::unique_ptr<Connection> connect_last_resource();
    virtual void set_up_decision_table();
    virtual void drop_decision_table();

    // Of those that keep witnesses.
    /// To the same database with DatasourceOptions::has_witness; its tables are there.
    [[nodiscard]] virtual std::unique_ptr<Connection> connect_with_witness();

    // Of servers.
    /// Ends the session at the server, as an administrator can; returns when it has ended.
    virtual void end_session(Connection& connection);
};

}  // namespace xa_tm::conformance
