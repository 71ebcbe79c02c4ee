#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "xa_tm/branch.h"
#include "xa_tm/datasource.h"

namespace xa_tm::test {

/// A verb as the fake received it.
struct SentVerb {
    Verb verb;
    Xid xid;

    friend bool operator==(const SentVerb&, const SentVerb&) = default;
};

/// A statement as the fake received it.
struct SentStatement {
    std::string text;
    std::vector<Value> arguments = {};

    friend bool operator==(const SentStatement&, const SentStatement&) = default;
};

/// What goes wrong with one verb.
enum class Fault {
    lose_request,   ///< the connection breaks before the verb is carried out
    lose_answer,    ///< the verb is carried out, then the connection breaks
    stall_request,  ///< no answer ever comes, and the verb is not carried out
    stall_answer,   ///< the verb is carried out, but its answer never comes
};

/// A resource manager in memory, with a small model of a server: branches are active in one
/// session, then prepared and free of it, then finished; names written in a branch become rows when
/// it commits. Tests can force answers and faults, and look at everything. A branch whose prepare
/// names a log leaves a witness row.
///
/// A statement is the row that it writes, with its arguments in the place of its question marks, or
/// of its $1 to $9; "null" is NULL. But for those that begin with
/// - "fail": refused; nothing but a return to a savepoint is accepted behind it;
/// - "conflict": the whole branch is rolled back, as a deadlock's victim;
/// - "rows N ": has written N rows, which are one, the rest of the text;
/// - "read KEY": gives the VALUE of each row KEY=VALUE that has committed or is the branch's own;
/// - "savepoint NAME", "rollback to savepoint NAME".
///
/// Ownership: owns its rows and branches; its connections must not outlive it.
/// Thread safety: all members may be called from several threads at once.
class FakeResourceManager final : public Datasource {
public:
    class Session;

    /// The application's way into one branch. Throws Error (invalid_state) when the branch has
    /// ended, and (resource_unreachable) when the session has.
    class Work {
    public:
        /// Adds a row when the branch commits.
        void write(const std::string& row) const;
        /// Like a statement that the server refuses: the branch can only be rolled back.
        void fail_statement() const;
        /// Like being chosen as a deadlock's victim.
        void lose_deadlock() const;
        /// Ends the session at the server's side.
        void end_session() const;

    private:
        friend class FakeResourceManager;
        explicit Work(Session& session) noexcept : session_{&session} {}

        Session* session_;
    };

    /// The same for a branch of a transaction over the fake itself.
    class Branch : public xa_tm::Branch {
    public:
        explicit Branch(const xa_tm::Branch& branch) noexcept : xa_tm::Branch{branch} {}

        void write(const std::string& row) const { branch_of(connection()).write(row); }
    };

    explicit FakeResourceManager(std::string name, DatasourceOptions options = {});
    ~FakeResourceManager() override;

    [[nodiscard]] std::string_view kind() const noexcept override { return "fake"; }
    [[nodiscard]] bool has_savepoints() const noexcept override { return has_savepoints_; }
    /// From now on it says that it has none.
    void lack_savepoints() noexcept { has_savepoints_ = false; }
    [[nodiscard]] std::unique_ptr<Connection> connect(const SessionMark& mark) override;
    void set_up_decision_table() override;
    [[nodiscard]] static Work branch_of(Connection& connection);

    /// The next such verb, after `skip` others, is answered so. An answer that says the branch is
    /// committed or rolled back makes it so; any other leaves it as it is.
    void answer_next(Verb verb, Answer answer, std::size_t skip = 0);
    void answer_next(Verb verb, XaCode code, std::size_t skip = 0);
    /// The next such verb, after `skip` others, goes wrong.
    void fail_next(Verb verb, Fault fault, std::size_t skip = 0);
    /// While false, connect() throws resource_unreachable and all sessions are ended.
    void set_reachable(bool is_reachable);
    /// A branch that another program prepared.
    void add_prepared(const ListedBranch& branch);
    /// Lets the fake forget a branch as if it had never been there.
    void drop(const Xid& xid);
    /// What recover tells of how far the server has come: at first nothing; from here on one byte
    /// more with each branch that is prepared or has committed.
    void set_position(const ServerPosition& position);
    /// A session that waits for what the prepared branch holds.
    void block(const Xid& xid, const BlockedSession& session);
    /// The decision table is there at first if this is a last resource.
    void drop_decision_table();

    /// All verbs of all connections, in the order in which they were sent.
    [[nodiscard]] std::vector<SentVerb> sent() const;
    /// Only the verbs that concern this global transaction.
    [[nodiscard]] std::vector<Verb> verbs_of(std::string_view gtrid) const;
    /// The statements of this global transaction, in the order in which they were sent.
    [[nodiscard]] std::vector<SentStatement> statements_of(std::string_view gtrid) const;
    [[nodiscard]] std::vector<Xid> prepared() const;
    /// The gtrids of the decision table's rows.
    [[nodiscard]] std::vector<std::string> decided() const;
    /// Those of the committed witness rows.
    [[nodiscard]] std::vector<std::string> witnessed() const;
    [[nodiscard]] bool has_row(const std::string& row) const;
    [[nodiscard]] std::size_t connects() const;
    /// The marks of all sessions that are there.
    [[nodiscard]] std::vector<std::string> session_marks() const;
    /// What came along with the last such verb.
    [[nodiscard]] std::string evidence_of(Verb verb) const;
    /// Batches that were sent, of one verb or more.
    [[nodiscard]] std::size_t trips() const;

private:
    struct Savepoint {
        std::string name;
        std::set<std::string> writes;
    };
    struct BranchModel {
        /// The session in which it is active; null once it is prepared.
        Session* owner = nullptr;
        std::set<std::string> writes = {};
        std::vector<Savepoint> savepoints = {};
        /// A statement has failed, and it did not go back to a savepoint since.
        bool has_failed = false;
        /// Set once it can only be rolled back.
        std::optional<XaCode> rollback_only = std::nullopt;
        std::vector<BlockedSession> blocked = {};
        std::string witness = {};  ///< evidence of the row that it leaves; empty: none
    };
    /// Of a branch that was prepared with a witness row.
    struct WitnessModel {
        std::string gtrid;
        std::string log;
        std::size_t id;
        bool is_there = false;  ///< committed, and not removed
    };
    struct DecisionModel {
        std::string log;
        std::string decision;
    };
    struct Script {
        Verb verb;
        std::size_t skip;
        std::optional<Answer> answer;
        std::optional<Fault> fault;
    };

    void count_trip();
    /// Nothing when the answer never comes.
    [[nodiscard]] std::optional<Answer> deliver(Session& session, const Request& request);
    [[nodiscard]] std::optional<Script> next_script(Verb verb);
    void apply(const Answer& answer, const Xid& xid);
    [[nodiscard]] Answer carry_out(Session& session, const Request& request);
    [[nodiscard]] Answer start(Session& session, const Xid& xid);
    [[nodiscard]] Answer execute(Session& session, const Request& request);
    [[nodiscard]] Answer execute(BranchModel& branch, std::string_view statement,
                                 bool wants_result) const;
    [[nodiscard]] static Answer return_to_savepoint(BranchModel& branch, std::string_view name);
    [[nodiscard]] Answer read(const BranchModel& branch, std::string_view key,
                              bool wants_result) const;
    [[nodiscard]] static Answer write(BranchModel& branch, std::string_view statement);
    [[nodiscard]] Answer end_session(const SessionId& id);
    [[nodiscard]] Answer end_ended_sessions(const Session& asking);
    [[nodiscard]] Answer examine(const Xid& xid) const;
    void end(Session& session);
    [[nodiscard]] Answer end_branch(Session& session, Verb verb, const Xid& xid,
                                    const std::string& log = {});
    [[nodiscard]] Answer commit_with_decision(Session& session, const Request& request);
    [[nodiscard]] Answer list_decisions(const Session& session, const std::string& log);
    [[nodiscard]] std::optional<Answer> refusal_of_table(const Session& session);
    [[nodiscard]] Answer forget_decisions(const Session& session,
                                          const std::vector<std::string>& gtrids);
    [[nodiscard]] Answer list_witnesses(const Session& session, const std::string& log);
    [[nodiscard]] Answer forget_witnesses(const Session& session,
                                          const std::vector<std::string>& rows);
    /// What evidence says of a branch that is not there.
    [[nodiscard]] Answer fate(Verb verb, const std::string& evidence) const;
    [[nodiscard]] Answer finish(Session& session, const Request& request);
    [[nodiscard]] Answer list() const;
    void commit_writes(const Xid& xid);
    void disconnect(Session& session);
    void advance();
    /// The active branch of a session, or null.
    [[nodiscard]] BranchModel* active_branch(const Session& session);

    std::atomic<bool> has_savepoints_ = true;
    mutable std::mutex mutex_;
    std::map<Xid, BranchModel> branches_;
    std::vector<ListedBranch> foreign_;
    std::set<std::string> rows_;
    bool has_decision_table_;
    std::map<std::string, DecisionModel> decisions_;      ///< by gtrid
    std::map<std::string, WitnessModel> witnesses_;       ///< by evidence
    std::map<std::string, std::size_t> removed_through_;  ///< by log
    std::deque<Script> scripts_;
    std::vector<SentVerb> sent_;
    std::vector<std::pair<Xid, SentStatement>> statements_;
    std::set<Session*> sessions_;
    ServerPosition position_ = {};
    bool is_reachable_ = true;
    std::size_t connects_ = 0;
    std::size_t trips_ = 0;
    std::map<Verb, std::string> evidence_;
};

}  // namespace xa_tm::test
