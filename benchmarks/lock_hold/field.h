#pragma once

#include <functional>
#include <string>

#include "progress.h"
#include "result.h"

namespace xa_tm::bench {

/// The contenders of one part of a run: one that fails leaves the field, and it is said why.
///
/// Ownership: borrows progress and result.
/// Thread safety: one thread at a time.
class Field {
public:
    /// `where` tells the part in the result.
    Field(std::string where, const Progress& progress, Result& result);
    /// Runs what the contender has to do; false when it has failed. Throws Interrupted.
    bool run(const std::string& contender, const std::function<void()>& part);

private:
    std::string where_;
    const Progress& progress_;
    Result& result_;
};

}  // namespace xa_tm::bench
