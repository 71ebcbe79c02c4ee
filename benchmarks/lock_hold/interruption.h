#pragma once

#include <stdexcept>

namespace xa_tm::bench {

/// SIGINT, SIGTERM or SIGHUP has come: what was made is to be removed on the way out.
class Interrupted final : public std::runtime_error {
public:
    Interrupted() : std::runtime_error("interrupted") {}
};

/// From now on these signals end nothing by themselves; who waits looks at the descriptor. To be
/// called before the first thread starts.
void hold_interruptions();
/// Readable once such a signal has come.
[[nodiscard]] int interruption_descriptor() noexcept;
[[nodiscard]] bool is_interrupted() noexcept;
/// In a child process, before it becomes another program: gives it the usual signals back.
void release_interruptions() noexcept;

}  // namespace xa_tm::bench
