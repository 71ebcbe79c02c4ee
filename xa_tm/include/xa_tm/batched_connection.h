#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "xa_tm/connection.h"
#include "xa_tm/xid.h"

namespace xa_tm {

/// A server's or its client's words as one line; they may have several, some of them indented.
[[nodiscard]] std::string one_line(std::string_view text);

/// What the connections to all servers have in common: the batch in progress, which branch is open
/// on the session, and whether the session can still be trusted. A driver derives its own from it
/// and says how requests go to the server and what the replies mean. It is asked about the request
/// at the front of the batch, or about a few from there on that go in one trip; what does not fit
/// the branch's state, or follows a refusal or a loss, is answered here.
///
/// Ownership: the derived class owns the session.
/// Thread safety: one thread at a time.
class BatchedConnection : public Connection {
public:
    using Connection::send;
    void send(std::vector<Request> batch) noexcept final;
    [[nodiscard]] std::optional<Answer> receive() noexcept final;
    [[nodiscard]] Readiness readiness() const noexcept final;
    void close() noexcept final;
    [[nodiscard]] bool is_silent() const noexcept final;
    [[nodiscard]] bool is_open_to_application() const noexcept final;

protected:
    explicit BatchedConnection(std::string resource);

    [[nodiscard]] const std::string& resource() const noexcept { return resource_; }
    /// While the session is set up, before any verb: returns when something may have arrived.
    /// Throws Error (resource_unreachable) once the deadline has passed.
    void wait_for_server(std::chrono::steady_clock::time_point deadline) const;
    /// What `read` makes of replies while the session is set up. Throws Error (resource_refused)
    /// when they lack what was asked for, which `read` tells by std::out_of_range.
    template <class Read>
    [[nodiscard]] auto understood(Read&& read) const -> decltype(read()) {
        try {
            return read();
        } catch (const std::out_of_range&) {
            refuse_server();
        }
    }
    /// Before the session is given to the application. Throws Error (invalid_state) unless the
    /// branch is open, whether or not the session is certain.
    void check_is_open() const;

    /// The first request that has no answer yet, while there is one.
    [[nodiscard]] const Request& front() const noexcept { return requests_[answered_]; }
    /// What the last carry() has sent and has no answer yet. Valid until the next send().
    [[nodiscard]] std::span<const Request> in_flight() const noexcept;
    /// What carry() may send in one trip: requests from the front on, up to the first that does not
    /// fit the state that those before it leave behind or may not share a trip; at least one.
    [[nodiscard]] std::span<const Request> one_trip() const;
    /// Gives the front its answer, and goes on with what has not been sent. An answer other than
    /// XA_OK answers the rest as well, so the session has to be ready for another exchange then.
    void settle(Answer answer);

    /// The branch that was started here and is neither prepared nor finished.
    [[nodiscard]] const std::optional<Xid>& branch() const noexcept { return branch_; }
    void begin_branch(const Xid& xid);
    void end_branch() noexcept { branch_.reset(); }
    /// From now on the connection is good for nothing but closing, which rolls an unprepared branch
    /// back. XAER_RMFAIL says so by itself.
    void lose_certainty() noexcept { is_certain_ = false; }
    /// True between batches, with no branch open and the session certain.
    [[nodiscard]] bool is_at_rest() const noexcept;

private:
    /// Takes the session back from the application, if that has it. False when the application has
    /// left it unusable.
    [[nodiscard]] virtual bool take_back() noexcept = 0;
    /// The answer to the front, which fits the branch's state, if it needs no server.
    [[nodiscard]] virtual std::optional<Answer> answer_at_once() = 0;
    /// Whether a request that fits the branch's state can stand in a trip of several.
    [[nodiscard]] virtual bool may_share_trip(const Request& request) const = 0;
    /// Sends requests from the front on in one trip; gives how many.
    [[nodiscard]] virtual std::size_t carry() = 0;
    /// Takes what has arrived without waiting, and settles what is answered by it. False when
    /// nothing has arrived. Throws std::out_of_range when a reply lacks what it was asked for:
    /// nobody knows then what the server did with the front.
    [[nodiscard]] virtual bool take_replies() = 0;
    /// Nothing when the session is broken.
    [[nodiscard]] virtual std::optional<Readiness> session_readiness() const noexcept = 0;
    virtual void disconnect() noexcept = 0;

    [[noreturn]] void refuse_server() const;
    [[nodiscard]] bool is_outstanding() const noexcept;
    void carry_on();
    void answer_front(Answer answer);

    std::string resource_;
    std::optional<Xid> branch_;
    bool is_open_ = false;    ///< the branch was asked for nothing but start and execute
    bool is_certain_ = true;  ///< false once an answer left the session's state unclear

    // The batch in progress.
    std::vector<Request> requests_;
    std::size_t answered_ = 0;    ///< of requests_, from the front
    std::size_t in_flight_ = 0;   ///< of those behind them
    std::deque<Answer> answers_;  ///< not received yet
};

}  // namespace xa_tm
