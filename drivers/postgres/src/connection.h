#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "evidence.h"
#include "libpq.h"
#include "server_facts.h"
#include "xa_tm/connection.h"

namespace xa_tm::postgres {

/// One connection to PostgreSQL that answers XA verbs. A branch is a transaction block until it is
/// prepared; from then on it belongs to the server, and any session of the same role and database
/// may finish it.
///
/// Ownership: owns its session.
/// Thread safety: one thread at a time.
class Connection final : public xa_tm::Connection {
public:
    /// Connects; the mark is in the URI already. No statement of the application runs longer than
    /// `statement_timeout`, unless that is 0. Throws ConnectError.
    Connection(std::string resource, const std::string& canonical_uri, SessionMark mark,
               std::chrono::milliseconds statement_timeout);

    /// Asks who the server is and whether it can prepare transactions. Throws Error
    /// (two_phase_unavailable, resource_unreachable). Before any verb.
    void set_up(std::chrono::seconds timeout);

    [[nodiscard]] std::string server_identity() const override { return facts_.identity; }
    /// None where a pooler is in between: what has that number may be another client's next moment.
    [[nodiscard]] SessionId session_id() const override;
    [[nodiscard]] ServerDescription describe() const override;
    using xa_tm::Connection::send;
    void send(std::vector<Request> batch) noexcept override;
    [[nodiscard]] std::optional<Answer> receive() noexcept override;
    [[nodiscard]] Readiness readiness() const noexcept override;
    void close() noexcept override;
    [[nodiscard]] bool is_reusable() const noexcept override;
    [[nodiscard]] bool is_open_to_application() const noexcept override { return is_open_; }

    // What Branch gives to the application; both throw Error (invalid_state) unless the branch is
    // open.
    [[nodiscard]] soci::session& sql();
    [[nodiscard]] PGconn* native_handle();

private:
    /// How a branch is asked for its vote.
    enum class Voting {
        probe_first,        ///< it may have written nothing: ask, and prepare only then
        probe_and_prepare,  ///< it wrote, as far as can be seen from here
        with_last_work,     ///< in one batch with that: prepare whatever it was
        undo,               ///< a statement has failed, so there is nothing to prepare
    };
    /// What a verb needs a second trip for.
    enum class FollowUp { none, name_owner, tell_fate, prepare, commit_unprepared, commit_empty };
    /// A request that has been sent.
    struct Task {
        Request request;
        std::string gid = {};
        Voting voting = Voting::undo;
        std::size_t replies_expected = 0;
    };

    void lend();
    [[nodiscard]] std::vector<Reply> ask(std::vector<Statement> statements,
                                         std::chrono::steady_clock::time_point deadline);
    void check_pooler(std::chrono::steady_clock::time_point deadline);

    [[nodiscard]] std::optional<Answer> take_back();
    [[nodiscard]] std::optional<Answer> refusal_of(const Request& request,
                                                   const std::string& open_gid);
    [[nodiscard]] std::optional<Answer> refusal_of_own(const Request& request);
    [[nodiscard]] Voting voting_of(bool is_alone) const;
    [[nodiscard]] std::vector<Statement> statements_of(const Task& task, bool is_alone) const;

    void take_replies();
    /// Nothing when the verb needs a second trip, which has been sent then.
    [[nodiscard]] std::optional<Answer> answer_from(const Task& task);
    [[nodiscard]] std::optional<Answer> vote_from(const Task& task);
    [[nodiscard]] std::optional<Answer> vote_from_probe(const Task& task, const Reply& probe);
    [[nodiscard]] std::optional<Answer> vote_from_prepare(const Task& task, const Reply& prepare,
                                                          std::optional<std::string> xact_id);
    [[nodiscard]] Answer vote_of_failed_branch();
    [[nodiscard]] std::optional<Answer> second_answer_from(const Task& task);
    [[nodiscard]] std::optional<Answer> failure_of_finishing(const Task& task, const Reply& reply);
    [[nodiscard]] Answer success(const Task& task);
    [[nodiscard]] Answer location(const Task& task);
    [[nodiscard]] Answer failure(Verb verb, const Reply& reply);
    [[nodiscard]] std::string evidence_of(const std::optional<std::string>& xact_id) const;
    void follow_up(FollowUp what, Answer first_answer, std::string statement);

    std::string resource_;
    SessionMark mark_;
    std::chrono::milliseconds statement_timeout_;
    ServerFacts facts_;
    Session session_;
    bool is_open_ = false;    ///< the application may use the session
    bool is_certain_ = true;  ///< false once an answer left the session's state unclear
    std::string
        branch_gid_;  ///< of the transaction block that is open here; empty when there is none

    // The batch in progress.
    std::size_t outstanding_ = 0;  ///< answers that receive() has not given yet
    bool keeps_branch_open_ = false;
    std::deque<Task> tasks_;
    std::vector<Reply> replies_;   ///< to the first of the tasks
    std::deque<Answer> answers_;   ///< complete
    std::deque<Answer> refusals_;  ///< of the requests behind the tasks, which were not sent
    FollowUp follow_up_ = FollowUp::none;
    Answer first_answer_;  ///< what the first trip found, during a second one
};

}  // namespace xa_tm::postgres
