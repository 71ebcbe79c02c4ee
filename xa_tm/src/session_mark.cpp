#include "xa_tm/session_mark.h"

#include <fmt/format.h>

namespace xa_tm {
namespace {

/// Sessions outlive their process by moments, not by many restarts of it.
constexpr std::uint32_t kEndedMarks = 16;

}  // namespace

SessionMark session_mark_of(recovery_log::LogId log, std::uint32_t incarnation,
                            std::string_view node) {
    const auto mark_of = [&](std::uint32_t life) {
        return fmt::format("xa_tm:{}:{}:{}", log.to_string(), life, node);
    };
    SessionMark mark{.text = mark_of(incarnation)};
    for (auto ended = incarnation; ended > 1 && incarnation - ended < kEndedMarks; --ended) {
        mark.ended.push_back(mark_of(ended - 1));
    }
    return mark;
}

}  // namespace xa_tm
