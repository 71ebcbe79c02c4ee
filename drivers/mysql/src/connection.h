#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "branch_history.h"
#include "client_api.h"
#include "ending_sessions.h"
#include "holdings.h"
#include "server_facts.h"
#include "session_fence.h"
#include "session_mark.h"
#include "session_search.h"
#include "witness_table.h"
#include "xa_tm/batched_connection.h"
#include "xa_tm/datasource.h"
#include "xa_tm/decision_table.h"

namespace xa_tm::mysql {

/// One connection to MySQL or MariaDB that answers XA verbs. On MariaDB a prepared branch stays
/// attached to the session that prepared it: no other session can finish it before that one has
/// ended. While that one is ending there is a moment in which MariaDB (10.11.19 was seen to)
/// answers another session's XA COMMIT with OK and does not commit: the branch then stays prepared,
/// unlisted until the server restarts. So another session's branch is finished only after the named
/// locks of the sessions that may have prepared it are free, and half a second later, because the
/// server frees them a little before its engine lets go of the branch. That is found out once for
/// all connections of a datasource, and again only when one of its own was closed in doubt.
///
/// Ownership: owns its session.
/// Thread safety: one thread at a time.
class Connection final : public BatchedConnection {
public:
    /// Connects. Throws ConnectError.
    Connection(std::string resource, const std::string& soci_connect_string, bool needs_tls,
               std::shared_ptr<EndingSessions> ending_sessions);
    /// Over a connection of the application's. Throws std::invalid_argument.
    Connection(std::string resource, const Lent& lent, std::chrono::seconds give_back_timeout,
               std::shared_ptr<EndingSessions> ending_sessions);
    /// Gives a connection of the application's back: as it was, or ended if that is not certain.
    /// Waits for the server then.
    ~Connection() override;

    /// Asks who the server is, and takes the session's named locks (session_mark.h), so that
    /// everyone can see whose session it is, also where performance_schema is off; no lock for an
    /// empty mark. On a connection of the application's the locks are held until it is given back,
    /// and the statement timeout is the application's. Throws Error. Before any verb.
    void set_up(const SessionMark& mark, const DatasourceOptions& options);
    /// As Datasource::describe(); in place of set_up(), and of any verb.
    [[nodiscard]] ServerDescription describe(const DatasourceOptions& options);
    /// As Datasource::set_up_decision_table(); in place of set_up(), and of any verb.
    void set_up_decision_table(const DatasourceOptions& options);

    [[nodiscard]] SessionId session_id() const override {
        return {session_.thread_id(), SessionOrigin{facts_.started(), own_lock_}.to_string()};
    }
    [[nodiscard]] std::string server_identity() const override { return facts_.identity(); }
    [[nodiscard]] bool is_reusable() const noexcept override;

    // What Branch gives to the application, from the call on until the next request; both throw
    // Error: invalid_state unless the branch is open, resource_unreachable when the session is
    // lost. So does sql() where the application has lent a bare handle (invalid_state).
    [[nodiscard]] soci::session& sql();
    [[nodiscard]] MYSQL* native_handle();

private:
    /// What a verb needs a further trip for.
    enum class FollowUp {
        none,
        search_sessions,
        fence,
        examine,
        look_in_list,
        look_for_witness,
        commit_empty,
        undo,
    };

    [[nodiscard]] std::vector<Reply> replies_to(std::vector<std::string> statements,
                                                std::chrono::seconds timeout);
    void check_set_up(const Reply& reply) const;
    [[nodiscard]] DecisionTableState decision_table_state(std::chrono::seconds timeout);
    [[nodiscard]] std::vector<ServerFact> describe_last_resource(std::chrono::seconds timeout);
    [[nodiscard]] WitnessTableState witness_table_state(std::chrono::seconds timeout);
    [[nodiscard]] std::vector<ServerFact> describe_witness_table(std::chrono::seconds timeout);
    void set_up_witness_table(std::chrono::seconds timeout);
    void create_table(std::string_view what, const std::string& definition,
                      std::chrono::seconds timeout);
    void learn_session_settings(std::chrono::seconds timeout);
    [[nodiscard]] bool give_back() noexcept;
    void lend();

    [[nodiscard]] bool take_back() noexcept override;
    [[nodiscard]] std::optional<Answer> answer_at_once() override;
    [[nodiscard]] bool may_share_trip(const Request& request) const override;
    [[nodiscard]] std::size_t carry() override;
    [[nodiscard]] bool take_replies() override;
    [[nodiscard]] std::optional<Readiness> session_readiness() const noexcept override;
    void disconnect() noexcept override;

    /// Whether the session that prepared this branch may be another one, which is still ending.
    [[nodiscard]] bool may_be_tied_to_another_session(const Request& request) const;
    void take(std::span<const Reply> replies);
    /// Settles the front.
    void give(Answer answer);
    void remember_ending_session();

    // The front's answer from the replies to its first trip; nothing when it needs a further one,
    // which has been sent then.
    [[nodiscard]] std::optional<Answer> first_answer(std::span<const Reply> replies);
    [[nodiscard]] Answer start_answer(const Reply& reply);
    [[nodiscard]] std::optional<Answer> execute_answer(std::span<const Reply> results);
    [[nodiscard]] std::optional<Answer> prepare_answer(std::span<const Reply> replies);
    [[nodiscard]] std::optional<Answer> vote_behind_row(std::span<const Reply> replies);
    [[nodiscard]] Answer list_answer(std::span<const Reply> replies) const;
    [[nodiscard]] Answer list_witnesses_answer(std::span<const Reply> replies) const;
    [[nodiscard]] Answer forget_answer(std::span<const Reply> replies) const;
    [[nodiscard]] std::optional<Evidence> evidence_of_front() const;
    [[nodiscard]] std::optional<Answer> look_in_list(Answer found);
    void look_for_witness(const Evidence& evidence, Answer found);
    [[nodiscard]] std::optional<Answer> after_witness(std::span<const Reply> replies);
    [[nodiscard]] Answer failure_of_table(const Reply& failed) const;
    [[nodiscard]] std::optional<Answer> vote(std::span<const Reply> replies);
    [[nodiscard]] std::optional<Answer> finish_answer(const Reply& reply);
    [[nodiscard]] std::optional<Answer> locate_answer(const Reply& reply);
    [[nodiscard]] Answer misunderstood();

    void follow_up(FollowUp what, Answer found, std::vector<std::string> statements);
    void undo(Answer found);
    // The same from the replies to a further trip.
    [[nodiscard]] std::optional<Answer> further_answer(std::span<const Reply> replies);
    [[nodiscard]] std::optional<Answer> after_search(std::span<const Reply> replies);
    [[nodiscard]] std::optional<Answer> after_fence(std::span<const Reply> replies);
    [[nodiscard]] std::optional<Answer> after_examination(std::span<const Reply> replies);
    [[nodiscard]] Answer after_list(const Reply& list) const;
    [[nodiscard]] Answer after_empty_commit(const Reply& commit);
    [[nodiscard]] std::optional<Answer> after_undo(const Reply& rollback);

    ServerFacts facts_;
    std::string mark_;  ///< of this process's sessions, or empty
    std::shared_ptr<EndingSessions> ending_sessions_;
    std::optional<SessionSearch> search_;          ///< from set_up() on
    std::string own_lock_;                         ///< see session_mark.h; empty without a mark
    bool is_end_remembered_ = false;               ///< in ending_sessions_
    std::optional<DecisionTable> decision_table_;  ///< of a last resource
    std::optional<WitnessTable> witness_table_;    ///< of branches that leave witness rows
    std::string marker_;                           ///< see chain.h
    Session session_;
    BranchHistory history_;  ///< of branch()
    /// the branch that was prepared here and is not finished yet
    std::optional<Xid> prepared_;
    /// whether a prepare was sent whose answer is not known
    bool may_be_preparing_ = false;

    // Of a lent connection.
    std::string former_tracking_;  ///< session_track_transaction_info; empty where there is none
    std::chrono::seconds give_back_timeout_{0};

    // The further trip in progress.
    FollowUp follow_up_ = FollowUp::none;
    Answer found_;  ///< what the trip before has found
    std::optional<SessionFence> fence_;
    std::optional<Examination> examination_;
};

}  // namespace xa_tm::mysql
