#include "conversation.h"

#include <chrono>
#include <utility>
#include <vector>

#include <poll.h>

#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

using std::chrono::steady_clock;

/// Far more than a conversation takes: the server ends it as soon as it has nothing to say.
constexpr std::chrono::seconds kPatience{30};

const Xid kXid{kFormatId, "shop-1:0123456789abcdef:7:42", "users:1"};
const Xid kNextXid{kFormatId, "shop-1:0123456789abcdef:7:43", "users:1"};
constexpr auto kEvidence = "pg_xid=742;timeline=00000001";
constexpr auto kLog = "0123456789abcdef";
constexpr auto kStatement = "update t set x = x + 1";

std::vector<Request> batch_of(std::uint8_t choice, const Connection& connection, bool is_prepared) {
    switch (choice % 15) {
        case 0: return {{.verb = Verb::start, .xid = kXid}};
        case 1:
            return {{.verb = Verb::execute,
                     .xid = kXid,
                     .statement = kStatement,
                     .wants_result = true}};
        case 2: return {{.verb = Verb::prepare, .xid = kXid}};
        case 3: return {{.verb = Verb::commit_one_phase, .xid = kXid}};
        case 4: return {{.verb = Verb::commit, .xid = kXid, .evidence = kEvidence}};
        case 5: return {{.verb = Verb::rollback, .xid = kXid}};
        case 6: return {{.verb = Verb::recover}};
        case 7: return {{.verb = Verb::locate, .xid = kXid, .evidence = kEvidence}};
        case 8: return {{.verb = Verb::end_session, .session = connection.session_id()}};
        case 9: return {{.verb = Verb::end_ended_sessions}};
        case 10: return {{.verb = Verb::examine, .xid = kXid}};
        case 12:
            return {{.verb = Verb::commit_with_decision,
                     .xid = kXid,
                     .log = kLog,
                     .decision = std::string{"\0'\\\xFF", 4}}};
        case 13: return {{.verb = Verb::list_decisions, .log = kLog}};
        case 14: return {{.verb = Verb::forget_decisions, .gtrids = {kXid.gtrid, kNextXid.gtrid}}};
        default: break;
    }
    std::vector<Request> batch;
    if (is_prepared) {
        batch.push_back({.verb = Verb::commit, .xid = kXid, .evidence = kEvidence});
    }
    batch.push_back({.verb = Verb::start, .xid = kNextXid});
    batch.push_back({.verb = Verb::execute, .xid = kNextXid, .statement = kStatement});
    batch.push_back({.verb = Verb::prepare, .xid = kNextXid});
    return batch;
}

Answer next_answer(Connection& connection, steady_clock::time_point deadline) {
    while (true) {
        if (auto answer = connection.receive()) {
            return *std::move(answer);
        }
        XA_TM_CHECK(steady_clock::now() < deadline, "a server that has gone is no reason to wait");
        const auto wanted = connection.readiness();
        pollfd waiting{wanted.descriptor,
                       static_cast<short>((wanted.for_reading ? POLLIN : 0) |
                                          (wanted.for_writing ? POLLOUT : 0)),
                       0};
        ::poll(&waiting, 1, 1000);
    }
}

/// Whether this connection has the first branch prepared; nothing where that stays as it was.
std::optional<bool> is_prepared_after(const Request& request, const Answer& answer) {
    if (request.xid != kXid) {
        return std::nullopt;
    }
    if (request.verb == Verb::prepare) {
        return answer.code == XaCode::ok;
    }
    return request.verb == Verb::commit || request.verb == Verb::rollback ? std::optional{false}
                                                                          : std::nullopt;
}

void check_answer(const Request& request, const Answer& answer) {
    XA_TM_CHECK(!to_string(answer.code).empty(), "a code of XA");
    for (const auto& branch : answer.listed) {
        XA_TM_CHECK(!branch.xid || (branch.xid->gtrid.size() <= kMaxGtridBytes &&
                                    branch.xid->bqual.size() <= kMaxBqualBytes),
                    "what is listed with an xid has one");
    }
    XA_TM_CHECK(answer.listed.empty() || request.verb == Verb::recover, "only recover lists");
    XA_TM_CHECK(answer.decisions.empty() || request.verb == Verb::list_decisions,
                "only list_decisions gives rows");
    XA_TM_CHECK(answer.code != XaCode::rdonly || request.verb == Verb::prepare ||
                    request.verb == Verb::commit || request.verb == Verb::rollback,
                "only what can end a branch tells of its end");
}

}  // namespace

Script script_from(Input& input, const Framer& frame) {
    Script script(1);
    while (!input.is_at_end()) {
        const auto step = input.number<std::uint8_t>();
        if (step == 0) {
            script.emplace_back();
            continue;
        }
        auto body = input.bytes(input.number<std::uint16_t>());
        script.back() += step == 1 ? body : frame(step, std::move(body), script.back());
    }
    return script;
}

void converse(Datasource& datasource, std::string_view program) {
    const auto deadline = steady_clock::now() + kPatience;
    constexpr std::uint8_t kDescribe = 255;
    if (!program.empty() && static_cast<std::uint8_t>(program.front()) == kDescribe) {
        static_cast<void>(unless_refused<Error>([&] { return datasource.describe(); }));
        return;
    }
    const SessionMark mark{.text = "xa_tm/shop-1", .ended = {"xa_tm/shop-1/old"}};
    const auto connected = unless_refused<Error>([&] { return datasource.connect(mark); });
    if (!connected) {
        return;
    }
    auto& connection = **connected;
    bool is_prepared = false;
    bool is_lost = false;
    for (const char choice : program) {
        const auto batch = batch_of(static_cast<std::uint8_t>(choice), connection, is_prepared);
        const bool was_lost = is_lost;
        connection.send(batch);
        for (const auto& request : batch) {
            const auto answer = next_answer(connection, deadline);
            check_answer(request, answer);
            XA_TM_CHECK(!was_lost || answer.code == XaCode::rmfail || &request != &batch.front(),
                        "a connection that was lost stays so");
            is_lost = is_lost || answer.code == XaCode::rmfail;
            is_prepared = is_prepared_after(request, answer).value_or(is_prepared);
        }
        XA_TM_CHECK(!is_lost || !connection.is_reusable(), "it is not used again");
    }
    connection.close();
    XA_TM_CHECK(!connection.is_open_to_application() && !connection.is_reusable(), "it is closed");
}

}  // namespace xa_tm::test
