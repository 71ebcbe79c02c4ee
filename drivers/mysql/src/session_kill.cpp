#include "session_kill.h"

#include <fmt/format.h>

#include "answers.h"

namespace xa_tm::mysql {
namespace {

constexpr int kNoSuchThread = 1094;
constexpr int kNotOwner = 1095;
constexpr int kAccessDenied = 1227;

}  // namespace

std::string kill_statement(std::uint64_t number) {
    return fmt::format("kill connection {}", number);
}

std::optional<Answer> refusal_of_kill(const Reply& reply, std::uint64_t number,
                                      const ServerFacts& facts) {
    if (reply.is_ok || reply.error == kNoSuchThread) {
        return std::nullopt;
    }
    auto answer = failure_of(Verb::end_session, reply);
    if (reply.error == kNotOwner || reply.error == kAccessDenied) {
        answer.message += fmt::format("; session {} is another user's: grant {} to this user",
                                      number, privilege_to_end_sessions(facts.is_mariadb()));
    }
    return answer;
}

std::string pause_behind_session(const ServerFacts& facts) {
    return facts.is_mariadb() ? "set statement max_statement_time = 0 for do sleep(0.5)"
                              : "do sleep(0.5)";
}

Answer sessions_gone(const ServerFacts& facts) {
    return {.message = facts.sees_every_session()
                           ? ""
                           : "this user sees only its own sessions: for want of PROCESS, the named "
                             "lock alone tells that another user's has ended"};
}

}  // namespace xa_tm::mysql
