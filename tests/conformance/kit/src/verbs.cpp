#include "xa_tm/conformance/verbs.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iterator>
#include <stdexcept>

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include "eventually.h"

namespace xa_tm::conformance {
namespace {

using test::eventually;

using std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{20};

/// Waits for the next answer to what was sent.
Counted receive_counted(Connection& connection, std::string_view what) {
    const auto deadline = steady_clock::now() + kPatience;
    for (int waits = 0;; ++waits) {
        if (auto answer = connection.receive()) {
            return {*std::move(answer), waits};
        }
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
        if (left.count() <= 0) {
            throw std::runtime_error(fmt::format("no answer to {}", what));
        }
        const auto readiness = connection.readiness();
        pollfd waiting{readiness.descriptor,
                       static_cast<short>((readiness.for_reading ? POLLIN : 0) |
                                          (readiness.for_writing ? POLLOUT : 0)),
                       0};
        static_cast<void>(::poll(&waiting, 1, static_cast<int>(left.count())));
    }
}

}  // namespace

Counted run_counted(Connection& connection, Verb verb, const Xid& xid) {
    connection.send(verb, xid);
    return receive_counted(connection, to_string(verb));
}

std::vector<Answer> run(Connection& connection, std::vector<Request> batch) {
    std::vector<Verb> verbs;
    std::ranges::transform(batch, std::back_inserter(verbs), &Request::verb);
    connection.send(std::move(batch));
    std::vector<Answer> answers;
    for (const auto verb : verbs) {
        answers.push_back(receive_counted(connection, to_string(verb)).answer);
    }
    return answers;
}

Answer run(Connection& connection, Verb verb, const Xid& xid) {
    return run_counted(connection, verb, xid).answer;
}

Answer run_until_known(Connection& connection, Verb verb, const Xid& xid) {
    Answer answer;
    const auto is_known = [&] {
        answer = run(connection, verb, xid);
        return answer.code != XaCode::nota && answer.code != XaCode::retry;
    };
    static_cast<void>(eventually(is_known, kPatience));
    return answer;
}

bool serves_again(Connection& connection) {
    const auto xid = unique_xid();
    return connection.is_reusable() && run(connection, Verb::start, xid).code == XaCode::ok &&
           run(connection, Verb::rollback, xid).code == XaCode::ok && connection.is_reusable();
}

Xid unique_xid() {
    static std::atomic<int> count = 0;
    return {kFormatId, fmt::format("conformance.{}.{}", ::getpid(), ++count), "subject.1"};
}

}  // namespace xa_tm::conformance
