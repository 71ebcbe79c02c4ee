#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "client_api.h"
#include "ending_sessions.h"
#include "server_facts.h"
#include "session_fence.h"
#include "xa_tm/batched_connection.h"
#include "xa_tm/datasource.h"

namespace xa_tm::mysql {

/// One connection to MySQL or MariaDB that answers XA verbs. On MariaDB a prepared branch stays
/// attached to the session that prepared it: no other session can finish it before that one has
/// ended. While that one is ending there is a moment in which MariaDB (10.11.19 was seen to)
/// answers another session's XA COMMIT with OK and does not commit: the branch then stays prepared,
/// unlisted until the server restarts. So another session's branch is finished only after the named
/// locks of the sessions that may have prepared it are free, and half a second later, because the
/// server frees them a little before its engine lets go of the branch.
///
/// Ownership: owns its session.
/// Thread safety: one thread at a time.
class Connection final : public BatchedConnection {
public:
    /// Connects. Throws ConnectError.
    Connection(std::string resource, const std::string& soci_connect_string, bool needs_tls,
               std::shared_ptr<EndingSessions> ending_sessions);
    ~Connection() override;

    /// Asks who the server is, and takes the named lock "MARK/CONNECTION_ID" for as long as the
    /// session lives, so that everyone can see whose session it is, also where performance_schema
    /// is off; no lock for an empty mark. Throws Error. Before any verb.
    void set_up(const SessionMark& mark, const DatasourceOptions& options);

    [[nodiscard]] SessionId session_id() const override {
        return {session_.thread_id(), facts_.started()};
    }
    [[nodiscard]] ServerDescription describe() const override { return facts_.describe(); }
    [[nodiscard]] std::string server_identity() const override { return facts_.identity(); }
    [[nodiscard]] bool is_reusable() const noexcept override;

    // What Branch gives to the application, from the call on until the next request; both throw
    // Error: invalid_state unless the branch is open, resource_unreachable when the session is
    // lost.
    [[nodiscard]] soci::session& sql();
    [[nodiscard]] MYSQL* native_handle();

private:
    [[nodiscard]] std::vector<Reply> replies_to(std::vector<std::string> statements,
                                                std::chrono::seconds timeout);
    void check_set_up(const Reply& reply) const;
    void lend();

    [[nodiscard]] bool take_back() noexcept override;
    [[nodiscard]] std::optional<Answer> answer_at_once() override;
    [[nodiscard]] bool may_share_trip(const Request& request) const override;
    [[nodiscard]] std::size_t carry() override;
    [[nodiscard]] bool take_replies() override;
    [[nodiscard]] std::optional<Readiness> session_readiness() const noexcept override;
    void disconnect() noexcept override;

    void take(std::span<const Reply> replies);
    /// Settles the front.
    void give(Answer answer);

    [[nodiscard]] std::vector<std::string> statements() const;
    /// Whether the session that prepared this branch may be another one, which is still ending.
    [[nodiscard]] bool must_look_for_sessions() const;
    [[nodiscard]] std::vector<std::string> look_for_sessions();
    [[nodiscard]] std::optional<Answer> looked_answer_from(std::span<const Reply> replies);
    void retry_when_ended(const std::vector<Row>& session_numbers);
    void begin_fence();
    [[nodiscard]] std::optional<Answer> fence_answer_from(std::span<const Reply> replies);
    void remember_ending_session();

    // The front's answer from what the server said; nothing when it needs a second trip, which has
    // been sent then.
    [[nodiscard]] std::optional<Answer> answer_from(std::span<const Reply> replies);
    [[nodiscard]] std::optional<Answer> execute_answer_from(std::span<const Reply> results);
    [[nodiscard]] std::optional<Answer> end_answer_from(std::span<const Reply> replies);
    [[nodiscard]] std::optional<Answer> locate_answer_from(const Reply& reply);
    [[nodiscard]] std::optional<Answer> finish_answer_from(const Reply& reply);
    [[nodiscard]] Answer searched_answer_from(const Reply& recover);
    [[nodiscard]] Answer start_answer_from(const Reply& reply);
    [[nodiscard]] Answer second_answer_from(const Reply& rollback);
    [[nodiscard]] Answer failure(const Reply& reply) const;
    [[nodiscard]] Answer misunderstood();
    [[nodiscard]] Answer read_only_answer_from(const Reply& commit);
    /// XA_OK, with what a person has to know of the branch.
    [[nodiscard]] Answer success() const;
    void roll_back_behind(Answer answer);

    ServerFacts facts_;
    std::vector<std::string> marks_;  ///< of the sessions that may be ended
    std::shared_ptr<EndingSessions> ending_sessions_;
    std::vector<std::string> ended_marks_;  ///< of sessions that were not seen to have ended yet
    std::string lock_name_;                 ///< of this session, or empty
    std::uint64_t session_serial_ = 0;      ///< what ending_sessions_ tells it by
    std::string marker_;                    ///< see chain.h
    Session session_;
    /// why branch() may not be prepared any more, or empty
    std::string rollback_only_;
    /// whether that branch is known to have changed what can't be rolled back
    bool has_changed_for_good_ = false;
    /// the branch that was prepared here and is not finished yet
    std::optional<Xid> prepared_;
    /// whether a prepare was sent whose answer is not known
    bool may_be_preparing_ = false;

    // The second trip in progress, for the request at the front.
    /// Set while it is asked whether these sessions have ended, before the verb itself is sent.
    std::optional<std::set<std::string>> looked_for_;
    /// Set while the sessions of ended processes are being ended.
    bool is_ending_sessions_ = false;
    /// Set while it is asked whether a branch that was answered with XAER_NOTA is listed.
    std::optional<Answer> unknown_;
    /// Set while a branch that wrote nothing is committed behind its vote.
    bool is_ending_read_only_ = false;
    /// Set during end_session.
    std::optional<SessionFence> fence_;
    /// Set during a second trip: what the first one found.
    std::optional<Answer> first_answer_;
};

}  // namespace xa_tm::mysql
