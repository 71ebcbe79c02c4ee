#include "chain.h"

#include <algorithm>

#include <fmt/format.h>

#include "statement_text.h"
#include "verb_statements.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm::mysql {
namespace {

/// The same as long as requests are left off in front. In hexadecimal.
std::string own_marker(std::span<const Request> requests, std::string_view marker) {
    return fmt::format("{}{:08x}", marker, requests.size());
}

std::string link_of(std::span<const Request> requests, std::string_view marker,
                    const TextRules& rules, const WitnessTable* witnesses) {
    const auto& request = requests.front();
    switch (request.verb) {
        case Verb::start:
        case Verb::commit: return fmt::format("{}", fmt::join(statements_of(request, true), ";"));
        case Verb::prepare:
            return fmt::format("{}", fmt::join(prepare_statements(request, witnesses), ";"));
        case Verb::execute: {
            // The line's end also ends a comment.
            const auto filled = with_arguments(request, rules);
            const auto statement = fmt::format("{}\n", without_end(filled));
            return needs_marker(requests)
                       ? fmt::format("{};select 0x{}", statement, own_marker(requests, marker))
                       : statement;
        }
        case Verb::commit_one_phase:
        case Verb::commit_with_decision:
        case Verb::rollback:
        case Verb::recover:
        case Verb::locate:
        case Verb::end_session:
        case Verb::end_ended_sessions:
        case Verb::examine:
        case Verb::list_decisions:
        case Verb::forget_decisions:
        case Verb::list_witnesses:
        case Verb::forget_witnesses: break;
    }
    XA_TM_CHECK(false, "a batch of several holds only commit, start, execute and prepare");
}

}  // namespace

std::string chain_of(std::span<const Request> requests, std::string_view marker,
                     const TextRules& rules, const WitnessTable* witnesses) {
    std::string packet;
    for (std::size_t at = 0; at < requests.size(); ++at) {
        packet += at == 0 ? "" : ";";
        packet += link_of(requests.subspan(at), marker, rules, witnesses);
    }
    return packet;
}

std::span<const Reply> take_results(std::span<const Request> requests,
                                    std::span<const Reply>& results, std::string_view marker) {
    std::size_t count = results.size();
    if (needs_marker(requests)) {
        const auto found = std::ranges::find_if(
            results, [&](const Reply& reply) { return is_marker(reply, requests, marker); });
        const auto before = static_cast<std::size_t>(found - results.begin());
        count = std::min(count, before + 1);
    } else if (requests.size() > 1) {
        count = std::min<std::size_t>(count, 1);
    }
    const auto own = results.first(count);
    results = results.subspan(count);
    return own;
}

bool needs_marker(std::span<const Request> requests) {
    const auto& request = requests.front();
    return requests.size() > 1 && request.verb == Verb::execute &&
           !(is_plain_with_arguments(request) && kind_of(request.statement) == Kind::one_result);
}

bool is_marker(const Reply& reply, std::span<const Request> requests, std::string_view marker) {
    return reply.is_ok && reply.rows.size() == 1 && reply.rows.front().size() == 1 &&
           reply.rows.front().front().has_value() &&
           to_hex(*reply.rows.front().front()) == own_marker(requests, marker);
}

}  // namespace xa_tm::mysql
