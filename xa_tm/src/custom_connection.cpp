// Invariants:
// - work_ is there exactly while branch() is: a branch that was prepared or has ended has none;
// - no exception of a callback leaves this file: each has a code whose meaning it fits.

#include "custom_connection.h"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "xa_tm/recovery_log/check.h"

namespace xa_tm {
namespace {

/// The answer of a callback; `failed` where it throws.
template <class Callback>
Answer guarded(XaCode failed, Callback&& callback) noexcept {
    try {
        return callback();
    } catch (const std::exception& error) {
        return {.code = failed, .message = one_line(error.what())};
    } catch (...) {
        return {.code = failed, .message = "the resource threw what is no std::exception"};
    }
}

Answer unknown_xid() {
    return {.code = XaCode::nota, .message = "the resource has no such branch prepared"};
}

}  // namespace

CustomConnection::CustomConnection(std::string name, CustomResource& resource)
    : BatchedConnection{std::move(name)}, resource_{resource}, identity_{resource.identity()} {}

CustomWork& CustomConnection::work() const {
    check_is_open();
    return *work_;
}

std::optional<Answer> CustomConnection::answer_at_once() {
    return carry_out(front());
}

bool CustomConnection::may_share_trip(const Request&) const {
    return false;
}

std::size_t CustomConnection::carry() {
    XA_TM_CHECK(false, "every request is answered at once");
}

std::optional<Connection::Readiness> CustomConnection::session_readiness() const noexcept {
    return std::nullopt;
}

Answer CustomConnection::carry_out(const Request& request) {
    switch (request.verb) {
        case Verb::start: return start(request.xid);
        case Verb::execute: return execute(request);
        case Verb::prepare: return prepare();
        case Verb::commit_one_phase: return commit_one_phase(request.xid);
        case Verb::commit:
        case Verb::rollback: return finish(request);
        case Verb::recover: return list();
        case Verb::locate: return locate(request.xid);
        // A session is a part of its process: what is asked about has ended with it, or was closed.
        case Verb::end_session:
        case Verb::end_ended_sessions: return {};
        case Verb::examine: return examine(request.xid);
        case Verb::commit_with_decision:
        case Verb::list_decisions:
        case Verb::forget_decisions:
        case Verb::list_witnesses:
        case Verb::forget_witnesses: break;
    }
    return {
        .code = XaCode::inval,
        .message =
            "a custom resource has no such verb; it can't be a last resource or have witness rows"};
}

Answer CustomConnection::start(const Xid& xid) {
    return guarded(XaCode::rmerr, [&]() -> Answer {
        work_ = resource_.start(xid);
        if (work_ == nullptr) {
            throw std::logic_error("CustomResource::start() gave no work; it gives one or throws");
        }
        begin_branch(xid);
        return {};
    });
}

Answer CustomConnection::execute(const Request& request) {
    if (!request.arguments.empty()) {
        return {.code = XaCode::rmerr,
                .message =
                    "statements of a custom resource take no arguments; write them into "
                    "the statement"};
    }
    return guarded(XaCode::rmerr,
                   [&] { return Answer{.rows = work_->execute(request.statement)}; });
}

Answer CustomConnection::prepare() {
    auto answer = guarded(XaCode::rbother, [&] {
        const auto vote = work_->prepare();
        return Answer{.code = vote == Vote::read_only ? XaCode::rdonly : XaCode::ok};
    });
    undo();  // which has nothing to undo after a vote
    return answer;
}

/// In two steps: a resource has one way to commit, and no branch of one phase has evidence to tell
/// what became of it.
Answer CustomConnection::commit_one_phase(const Xid& xid) {
    auto vote = prepare();
    if (vote.code == XaCode::rdonly) {
        return {};
    }
    if (vote.code != XaCode::ok) {
        return vote;
    }
    // In-doubt window begins: the branch is prepared, and no decision is in any log. Whoever finds
    // it so rolls it back, which is right: nobody was told that it has committed.
    return guarded(XaCode::rmfail, [&] {
        return resource_.commit(xid) ? Answer{}
                                     : Answer{.code = XaCode::rmfail,
                                              .message = "somebody else has finished the branch"};
    });
}

Answer CustomConnection::finish(const Request& request) {
    if (branch()) {  // only a rollback gets as far as here
        undo();
        return {};
    }
    // After an exception nobody knows what was carried out: it is asked again.
    return guarded(XaCode::rmfail, [&] {
        const bool is_known = request.verb == Verb::commit ? resource_.commit(request.xid)
                                                           : resource_.rollback(request.xid);
        return is_known ? Answer{} : unknown_xid();
    });
}

Answer CustomConnection::list() {
    return guarded(XaCode::rmerr, [&] {
        Answer answer;
        for (auto& xid : resource_.recover()) {
            auto name =
                fmt::format("{}:{}:{}", xid.format_id, to_hex(xid.gtrid), to_hex(xid.bqual));
            answer.listed.push_back({.xid = std::move(xid), .name = std::move(name)});
        }
        return answer;
    });
}

Answer CustomConnection::locate(const Xid& xid) {
    return guarded(XaCode::rmerr, [&] {
        const auto prepared = resource_.recover();
        return std::ranges::find(prepared, xid) == prepared.end() ? unknown_xid()
                                                                  : Answer{.code = XaCode::retry};
    });
}

Answer CustomConnection::examine(const Xid& xid) {
    return guarded(XaCode::rmerr, [&] {
        const auto prepared = resource_.recover();
        return std::ranges::find(prepared, xid) == prepared.end()
                   ? unknown_xid()
                   : Answer{.holdings = resource_.holdings(xid)};
    });
}

/// Ends the branch; a work that is not prepared undoes itself.
void CustomConnection::undo() noexcept {
    work_.reset();
    end_branch();
}

}  // namespace xa_tm
