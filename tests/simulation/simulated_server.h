#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "random.h"
#include "virtual_machine.h"
#include "xa_tm/connection.h"

namespace xa_tm::simulation {

enum class ServerKind { postgres, mysql, mariadb };

[[nodiscard]] std::string_view to_string(ServerKind kind) noexcept;

/// Told what happens to branches' work at the servers, as it happens. Pure: it must not call back.
class ServerWatcher {
public:
    ServerWatcher() = default;
    ServerWatcher(const ServerWatcher&) = delete;
    ServerWatcher& operator=(const ServerWatcher&) = delete;
    virtual ~ServerWatcher() = default;

    /// The rows of a branch are visible for good.
    virtual void committed(std::string_view server, const Xid& xid,
                           const std::vector<std::string>& rows) = 0;
    /// They never will be, unless came_back() is told.
    virtual void rolled_back(std::string_view server, const Xid& xid,
                             const std::vector<std::string>& rows, bool was_prepared) = 0;
    /// A prepared branch whose rollback was not durable stands there again after a crash.
    virtual void came_back(std::string_view server, const Xid& xid,
                           const std::vector<std::string>& rows) = 0;
    /// A row of the decision table is there for good, with the work of the branch that wrote it.
    virtual void wrote_decision(std::string_view server, const std::string& gtrid) = 0;
    virtual void removed_decision(std::string_view server, const std::string& gtrid) = 0;
};

class SimulatedServer;

/// The server's side of one connection.
struct ServerSession {
    enum class State {
        alive,
        ending,  ///< its client is gone, or it was killed; it has not let go of its branch yet
        gone,
    };
    struct Branch {
        Xid xid;
        std::vector<std::string> rows = {};
        /// Names, with how many rows there were.
        std::vector<std::pair<std::string, std::size_t>> savepoints = {};
        /// Set once it can only be rolled back, PostgreSQL's also to a savepoint.
        std::optional<XaCode> rollback_only = std::nullopt;
        std::uint64_t transaction_id = 0;
    };

    std::uint64_t number = 0;
    std::uint32_t life = 0;  ///< of the server
    std::string mark = {};
    State state = State::alive;
    std::optional<Branch> active = std::nullopt;
    /// A prepared branch that stays with the session.
    std::optional<Xid> attached = std::nullopt;
    /// Called when the server ends the session by itself.
    std::function<void()> on_killed = {};
};

/// One database server with its sessions and branches, as what its driver makes of it: what each
/// verb is answered in each state. What it does differently by its kind:
/// - PostgreSQL names a branch only when it is prepared, rolls a branch back whose statement has
///   failed, and tells by a transaction id how a branch has ended;
/// - MySQL lets a branch go when it is prepared, and loses one that wrote nothing in a crash;
/// - MariaDB keeps it in its session until that has ended, which takes a moment, and answers
///   XA_RETRY to others till then; a rollback of a prepared branch is not durable by itself.
///
/// Ownership: borrows the machine, the random numbers and the watcher.
/// Thread safety: one thread.
class SimulatedServer {
public:
    struct Prepared {
        /// The session that holds it; null once it is free.
        ServerSession* holder = nullptr;
        std::vector<std::string> rows = {};
        std::uint64_t transaction_id = 0;
        std::vector<BlockedSession> blocked = {};
        /// MariaDB: its session has ended, and as it wrote nothing, it was rolled back and is only
        /// listed.
        bool is_husk = false;
    };

    /// A row of the decision table.
    struct Decided {
        std::string log;
        std::string decision;
    };

    SimulatedServer(std::string name, ServerKind kind, VirtualMachine& machine, Random& random,
                    ServerWatcher* watcher);

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] ServerKind kind() const noexcept { return kind_; }
    [[nodiscard]] bool is_up() const noexcept { return is_up_; }
    [[nodiscard]] std::string identity() const;
    [[nodiscard]] std::string life_name(std::uint32_t life) const;

    /// Null while the server is down.
    [[nodiscard]] std::shared_ptr<ServerSession> connect(std::string mark);
    /// Not while the session is gone.
    [[nodiscard]] Answer carry_out(ServerSession& session, const std::vector<std::string>& ended,
                                   const Request& request);
    /// The client has gone: what is not prepared is rolled back.
    void end(ServerSession& session);

    void crash();
    void restart() { is_up_ = true; }

    /// Every server has the decision table at first.
    void set_up_decision_table() { has_decision_table_ = true; }
    void drop_decision_table();
    /// What no server does: the rows are gone, and nobody is told.
    void lose_decisions_of(const std::string& log);

    /// A branch that another program has prepared.
    void plant(const Xid& xid);
    /// One that is no xid.
    void plant(std::string name) { strangers_.push_back(std::move(name)); }
    /// A row of the decision table that another log's transaction has written.
    void plant_decision(const std::string& gtrid, Decided row) {
        decisions_.emplace(gtrid, std::move(row));
    }
    /// For looking at, and for tests.
    [[nodiscard]] const std::map<Xid, Prepared>& prepared() const noexcept { return prepared_; }
    [[nodiscard]] const std::vector<std::string>& strangers() const noexcept { return strangers_; }
    [[nodiscard]] bool has_row(const std::string& row) const { return rows_.contains(row); }
    /// Rows of the decision table, all of them committed, by gtrid.
    [[nodiscard]] const std::map<std::string, Decided>& decisions() const noexcept {
        return decisions_;
    }
    /// Those of one log, as they are listed.
    [[nodiscard]] std::vector<DecisionRow> decisions_of(const std::string& log) const;
    [[nodiscard]] std::size_t open_branches() const;
    void block(const Xid& xid, BlockedSession session);
    /// Whether committed rows are kept, for has_row().
    void keep_rows(bool are_kept) noexcept { are_rows_kept_ = are_kept; }

private:
    enum class Fate : std::uint8_t { in_progress, committed, rolled_back };

    [[nodiscard]] Answer start(ServerSession& session, const Xid& xid);
    [[nodiscard]] Answer execute(ServerSession& session, const Request& request);
    [[nodiscard]] Answer go_back(ServerSession::Branch& branch, std::string_view savepoint) const;
    [[nodiscard]] Answer fail(ServerSession::Branch& branch) const;
    void write(ServerSession::Branch& branch, std::string row);
    /// Why the branch can be neither prepared nor committed; what can only be rolled back is.
    [[nodiscard]] std::optional<Answer> refusal_of_end(ServerSession& session, const Xid& xid);
    [[nodiscard]] Answer prepare(ServerSession& session, const Xid& xid);
    [[nodiscard]] Answer commit_one_phase(ServerSession& session, const Xid& xid);
    [[nodiscard]] Answer commit_with_decision(ServerSession& session, const Request& request);
    [[nodiscard]] Answer list_decisions(const ServerSession& session, const std::string& log) const;
    [[nodiscard]] Answer no_decision_table() const;
    [[nodiscard]] Answer forget_decisions(const ServerSession& session,
                                          const std::vector<std::string>& gtrids);
    [[nodiscard]] Answer commit(ServerSession& session, const Request& request);
    [[nodiscard]] Answer roll_back(ServerSession& session, const Xid& xid);
    [[nodiscard]] Answer list() const;
    [[nodiscard]] Answer locate(const Request& request) const;
    [[nodiscard]] Answer end_session(const SessionId& id);
    [[nodiscard]] Answer end_ended_sessions(const std::vector<std::string>& ended);
    [[nodiscard]] Answer examine(const Xid& xid) const;
    /// Nothing when this session may finish the branch.
    [[nodiscard]] std::optional<Answer> refusal_to_finish(const ServerSession& session,
                                                          const Xid& xid) const;
    [[nodiscard]] bool is_named(const Xid& xid) const;
    [[nodiscard]] std::optional<Fate> fate_from(const std::string& evidence) const;
    void kill(ServerSession& session);
    void let_go(ServerSession& session);
    void undo(ServerSession& session);
    void keep(const Xid& xid, const std::vector<std::string>& rows, std::uint64_t transaction_id);
    void set_fate(std::uint64_t transaction_id, Fate fate);
    void sync();

    std::string name_;
    ServerKind kind_;
    VirtualMachine& machine_;
    Random& random_;
    ServerWatcher* watcher_;
    bool is_up_ = true;
    bool are_rows_kept_ = false;
    std::uint32_t life_ = 1;
    std::uint64_t last_number_ = 0;
    std::uint64_t flushed_ = 1;
    std::vector<std::shared_ptr<ServerSession>> sessions_;
    std::map<Xid, Prepared> prepared_;
    std::vector<std::string> strangers_;
    /// As durable as the commits that wrote them.
    std::map<std::string, Decided> decisions_;
    bool has_decision_table_ = true;
    /// Rollbacks of prepared branches that a crash undoes.
    std::vector<std::pair<Xid, std::vector<std::string>>> unsynced_rollbacks_;
    std::unordered_map<std::string, bool> rows_;
    /// PostgreSQL's, by transaction id.
    std::vector<Fate> fates_{Fate::rolled_back};
};

}  // namespace xa_tm::simulation
