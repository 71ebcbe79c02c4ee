#pragma once

#include <cstddef>
#include <functional>

namespace xa_tm::cli {

/// One line on standard error that says how far recovery is, written anew each time; only when that
/// is a terminal, and there is enough to do for a person to wonder.
///
/// Ownership: outlives every call of what callback() gives; clears the line when destroyed.
/// Thread safety: one thread at a time.
class ProgressLine {
public:
    ProgressLine() = default;
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;
    ~ProgressLine();

    /// For RecoverOptions::on_progress; empty when nothing is to be shown.
    [[nodiscard]] std::function<void(std::size_t finished, std::size_t known)> callback();

private:
    void show(std::size_t finished, std::size_t known);

    bool is_shown_ = false;
};

}  // namespace xa_tm::cli
