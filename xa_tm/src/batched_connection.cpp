// Invariants:
// - requests_ is, from its front: answered_ requests with an answer, in_flight_ that are at the
//   server, and those that wait for the answers to them;
// - a request is in flight whenever one has no answer: a batch never stands still;
// - the application can use the session only while branch_ is set and nothing is outstanding.

#include "xa_tm/batched_connection.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "xa_tm/decision_table.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm {
namespace {

constexpr std::string_view kNotWhatWasAsked =
    "the server's reply lacks what it was asked for; look what it is that answers there";

/// A descriptor that poll() always reports, for an answer that is there before anything was sent.
int always_ready_descriptor() noexcept {
    static const int descriptor = ::eventfd(1, EFD_CLOEXEC);
    return descriptor;
}

bool is_valid(const Xid& xid) {
    return !xid.gtrid.empty() && xid.gtrid.size() <= kMaxGtridBytes &&
           xid.bqual.size() <= kMaxBqualBytes;
}

Answer refused(XaCode code, std::string_view why) {
    return {.code = code, .message = std::string{why}};
}

/// Why a request can't be carried out while this branch is open, or none is.
std::optional<Answer> misfit_of(const Request& request, const std::optional<Xid>& open) {
    const auto verb = request.verb;
    const bool is_about_rows = verb == Verb::list_decisions || verb == Verb::forget_decisions ||
                               verb == Verb::list_witnesses || verb == Verb::forget_witnesses;
    if (is_about_rows) {
        return open ? std::optional{refused(XaCode::proto, "a branch is open on the session")}
                    : fault_of_decision_request(request);
    }
    if (verb == Verb::recover || verb == Verb::end_session || verb == Verb::end_ended_sessions) {
        return std::nullopt;
    }
    if (!is_valid(request.xid)) {
        return refused(XaCode::inval, "an xid has 1 to 64 bytes of gtrid and at most 64 of bqual");
    }
    const bool is_for_open_branch =
        verb == Verb::execute || verb == Verb::prepare || verb == Verb::commit_one_phase ||
        verb == Verb::commit_with_decision || (verb == Verb::rollback && open);
    if (!is_for_open_branch && open) {
        return refused(XaCode::proto, "another branch is open on the session");
    }
    if (is_for_open_branch && open != request.xid) {
        return refused(XaCode::proto, "this branch is not open on the session");
    }
    return verb == Verb::commit_with_decision ? fault_of_decision_request(request) : std::nullopt;
}

}  // namespace

std::string one_line(std::string_view text) {
    std::string line;
    bool is_new_line = false;
    bool is_after_space = false;
    for (const char c : text) {
        if (std::isspace(static_cast<unsigned char>(c)) != 0) {
            is_new_line = is_new_line || c == '\n';
            is_after_space = true;
            continue;
        }
        if (is_after_space && !line.empty()) {
            line += is_new_line ? "; " : " ";
        }
        is_new_line = false;
        is_after_space = false;
        line += c;
    }
    return line;
}

BatchedConnection::BatchedConnection(std::string resource) : resource_{std::move(resource)} {}

void BatchedConnection::wait_for_server(std::chrono::steady_clock::time_point deadline) const {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
        throw Error({.code = ErrorCode::resource_unreachable, .resource = resource_},
                    fmt::format("resource {}: connected, but the server has not answered within "
                                "connect_timeout; look what keeps it busy",
                                resource_));
    }
    const auto wanted = readiness();
    pollfd waiting{
        wanted.descriptor,
        static_cast<short>((wanted.for_reading ? POLLIN : 0) | (wanted.for_writing ? POLLOUT : 0)),
        0};
    static_cast<void>(::poll(&waiting, 1, static_cast<int>(left.count())));
}

void BatchedConnection::refuse_server() const {
    throw Error({.code = ErrorCode::resource_refused, .resource = resource_},
                fmt::format("resource {}: {}", resource_, kNotWhatWasAsked));
}

void BatchedConnection::check_is_open() const {
    if (!is_open_ || !branch_ || is_outstanding()) {
        throw Error(
            {.code = ErrorCode::invalid_state, .resource = resource_},
            fmt::format("resource {}: the branch has ended, so its connection takes no more "
                        "statements; begin a new transaction",
                        resource_));
    }
}

void BatchedConnection::send(std::vector<Request> batch) noexcept {
    XA_TM_CHECK(!is_outstanding(), "the answers to the batch before have been received");
    XA_TM_CHECK(!batch.empty(), "a batch holds something");
    requests_ = std::move(batch);
    answered_ = 0;
    if (!take_back()) {
        lose_certainty();
        end_branch();
        answer_front(refused(
            XaCode::rbproto,
            "the application closed or reconnected the branch's session, or left a statement or "
            "its result unfinished on it; closing the connection rolls the branch back"));
        return;
    }
    carry_on();
}

/// Takes up the front, and with it what may go in the same trip.
void BatchedConnection::carry_on() {
    auto answer = is_certain_ ? misfit_of(front(), branch_)
                              : refused(XaCode::rmfail, "the connection is no longer usable");
    if (!answer) {
        answer = answer_at_once();
    }
    if (answer) {
        answer_front(*std::move(answer));
        return;
    }
    in_flight_ = carry();
}

std::span<const Request> BatchedConnection::in_flight() const noexcept {
    return std::span{requests_}.subspan(answered_, in_flight_);
}

std::span<const Request> BatchedConnection::one_trip() const {
    const auto waiting = std::span{requests_}.subspan(answered_);
    auto open = branch_;
    std::size_t count = 0;
    for (const auto& request : waiting) {
        if (misfit_of(request, open) || !may_share_trip(request)) {
            break;
        }
        if (request.verb == Verb::start) {
            open = request.xid;
        }
        ++count;
    }
    return waiting.first(std::max<std::size_t>(count, 1));
}

void BatchedConnection::settle(Answer answer) {
    is_open_ = is_open_ && (front().verb == Verb::start || front().verb == Verb::execute);
    answer_front(std::move(answer));
}

void BatchedConnection::answer_front(Answer answer) {
    const auto code = answer.code;
    is_certain_ = is_certain_ && code != XaCode::rmfail;
    answers_.push_back(std::move(answer));
    ++answered_;
    in_flight_ -= in_flight_ > 0 ? 1 : 0;
    if (code == XaCode::ok) {
        if (in_flight_ == 0 && answered_ < requests_.size()) {
            carry_on();
        }
        return;
    }
    // When the connection is lost, the server may be carrying out the rest of the trip right now.
    const auto unknown = code == XaCode::rmfail ? in_flight_ : 0;
    answers_.insert(answers_.end(), unknown, Answer{answers_.back()});
    answers_.insert(answers_.end(), requests_.size() - answered_ - unknown, not_carried_out());
    answered_ = requests_.size();
    in_flight_ = 0;
}

std::optional<Answer> BatchedConnection::receive() noexcept {
    XA_TM_CHECK(is_outstanding(), "a batch has been sent");
    while (answers_.empty()) {
        try {
            if (!take_replies()) {
                return std::nullopt;
            }
        } catch (const std::out_of_range&) {
            answer_front(refused(XaCode::rmfail, kNotWhatWasAsked));
        }
    }
    auto answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
}

Connection::Readiness BatchedConnection::readiness() const noexcept {
    if (answers_.empty()) {
        if (const auto readiness = session_readiness()) {
            return *readiness;
        }
    }
    return {.descriptor = always_ready_descriptor(), .for_reading = true, .for_writing = false};
}

void BatchedConnection::begin_branch(const Xid& xid) {
    branch_ = xid;
    is_open_ = true;
}

void BatchedConnection::close() noexcept {
    static_cast<void>(take_back());
    is_open_ = false;
    lose_certainty();
    disconnect();
}

bool BatchedConnection::is_outstanding() const noexcept {
    return answered_ < requests_.size() || !answers_.empty();
}

bool BatchedConnection::is_open_to_application() const noexcept {
    return is_open_ && is_certain_ && branch_.has_value() && !is_outstanding();
}

bool BatchedConnection::is_silent() const noexcept {
    const auto readiness = session_readiness();
    pollfd look{readiness ? readiness->descriptor : -1, POLLIN, 0};
    return readiness.has_value() && ::poll(&look, 1, 0) == 0;
}

bool BatchedConnection::is_at_rest() const noexcept {
    return is_certain_ && !is_outstanding() && !branch_;
}

}  // namespace xa_tm
