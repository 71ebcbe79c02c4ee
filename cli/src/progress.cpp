#include "progress.h"

#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

namespace xa_tm::cli {
namespace {

/// Fewer are done before a person has read the line.
constexpr std::size_t kBranchesMin = 200;

}  // namespace

ProgressLine::~ProgressLine() {
    if (is_shown_) {
        static_cast<void>(std::fputs("\r\x1b[K", stderr));
    }
}

std::function<void(std::size_t finished, std::size_t known)> ProgressLine::callback() {
    if (::isatty(STDERR_FILENO) != 1) {
        return {};
    }
    return [this](std::size_t finished, std::size_t known) { show(finished, known); };
}

void ProgressLine::show(std::size_t finished, std::size_t known) {
    if (known >= kBranchesMin) {
        is_shown_ = true;
        fmt::print(stderr, "\r{} of {} branches finished\x1b[K", finished, known);
        static_cast<void>(std::fflush(stderr));
    }
}

}  // namespace xa_tm::cli
