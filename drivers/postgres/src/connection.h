#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "evidence.h"
#include "libpq.h"
#include "server_facts.h"
#include "verb_statements.h"
#include "xa_tm/batched_connection.h"
#include "xa_tm/datasource.h"
#include "xa_tm/postgres/datasource.h"

namespace xa_tm::postgres {

/// One connection to PostgreSQL that answers XA verbs. A branch is a transaction block until it is
/// prepared; from then on it belongs to the server, and any session of the same role and database
/// may finish it.
///
/// Ownership: owns its session.
/// Thread safety: one thread at a time.
class Connection final : public BatchedConnection {
public:
    /// Connects; the mark is in the URI already. No statement of the application runs longer than
    /// `statement_timeout`, unless that is 0. Throws ConnectError.
    Connection(std::string resource, const std::string& canonical_uri, SessionMark mark,
               std::chrono::milliseconds statement_timeout);
    /// Over a connection of the application's. Throws std::invalid_argument.
    Connection(std::string resource, const Lent& lent, SessionMark mark,
               const DatasourceOptions& options);
    /// Gives a connection of the application's back: as it was, or ended if that is not certain.
    /// Waits for the server then.
    ~Connection() override;

    /// Asks who the server is and whether it can prepare transactions. Throws Error
    /// (two_phase_unavailable, resource_unreachable). Before any verb.
    void set_up(std::chrono::seconds timeout);

    /// As Datasource::describe(); in place of set_up(), and of any verb.
    [[nodiscard]] ServerDescription describe(const DatasourceOptions& options);

    [[nodiscard]] std::string server_identity() const override { return facts_.identity; }
    /// None where a pooler is in between: what has that number may be another client's next moment.
    [[nodiscard]] SessionId session_id() const override;
    [[nodiscard]] bool is_reusable() const noexcept override;
    [[nodiscard]] std::string owner_of_branches() const override { return session_.user(); }

    // What Branch gives to the application; both throw Error (invalid_state) unless the branch is
    // open, and sql() where the application has lent a bare handle.
    [[nodiscard]] soci::session& sql();
    [[nodiscard]] PGconn* native_handle();

private:
    /// What a verb needs a further trip for.
    enum class FollowUp { none, name_owner, tell_fate, prepare, commit_unprepared, commit_empty };
    [[nodiscard]] bool give_back() noexcept;
    void lend();
    [[nodiscard]] std::vector<Reply> ask(std::vector<Statement> statements,
                                         std::chrono::steady_clock::time_point deadline);
    /// What the pooler in between says against transactions; nothing when it takes them.
    [[nodiscard]] std::optional<Reply> pooler_refusal(
        std::chrono::steady_clock::time_point deadline);
    /// Throws Error (resource_unreachable).
    void check_was_asked(const Reply& reply) const;

    [[nodiscard]] bool take_back() noexcept override;
    [[nodiscard]] std::optional<Answer> answer_at_once() override;
    [[nodiscard]] bool may_share_trip(const Request& request) const override;
    [[nodiscard]] std::size_t carry() override;
    [[nodiscard]] bool take_replies() override;
    [[nodiscard]] std::optional<Readiness> session_readiness() const noexcept override;
    void disconnect() noexcept override;

    [[nodiscard]] std::vector<Statement> statements_for(const Request& request,
                                                        const Circumstances& circumstances) const;
    [[nodiscard]] Voting voting_of(bool is_alone) const;

    // The front's answer from the replies to its first trip; nothing when it needs a further one,
    // which has been sent then.
    [[nodiscard]] std::optional<Answer> first_answer();
    [[nodiscard]] Answer success();
    [[nodiscard]] Answer location() const;
    [[nodiscard]] std::optional<Answer> vote();
    [[nodiscard]] std::optional<Answer> vote_from_probe(const Reply& probe);
    [[nodiscard]] std::optional<Answer> vote_from_prepare(const Reply& prepare,
                                                          std::optional<std::string> xact_id);
    [[nodiscard]] Answer vote_of_failed_branch() const;
    [[nodiscard]] std::optional<Answer> failure_of_finishing(const Reply& reply);
    [[nodiscard]] std::string evidence_of(const std::optional<std::string>& xact_id) const;

    void follow_up(FollowUp what, Answer found, std::string statement);
    // The same from the reply to a further trip.
    [[nodiscard]] std::optional<Answer> further_answer();
    [[nodiscard]] std::optional<Answer> after_prepare(const Reply& prepare);
    [[nodiscard]] Answer after_unprepared_commit(const Reply& commit);
    [[nodiscard]] Answer after_empty_commit(const Reply& commit) const;
    [[nodiscard]] Answer after_owner(const Reply& reply) const;
    [[nodiscard]] Answer after_fate(const Reply& reply) const;

    SessionMark mark_;
    std::chrono::milliseconds statement_timeout_;
    ServerFacts facts_;
    Session session_;
    // Of a lent connection.
    std::string former_name_;  ///< its application_name
    std::chrono::seconds give_back_timeout_{0};

    // The trip in progress.
    Voting voting_ = Voting::undo;  ///< of the prepare in it, if there is one
    std::deque<std::size_t> replies_expected_;
    std::vector<Reply> replies_;
    FollowUp follow_up_ = FollowUp::none;
    Answer found_;  ///< what the trip before has found
};

}  // namespace xa_tm::postgres
