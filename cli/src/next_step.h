#pragma once

#include <string>
#include <vector>

#include "xa_tm/recovery_report.h"

namespace xa_tm::cli {

/// What a person should type next about one transaction.
struct NextStep {
    /// A command for a case that the person has to tell apart.
    struct Choice {
        std::string when;
        std::string command;

        friend bool operator==(const Choice&, const Choice&) = default;
    };

    /// A command that is safe without another look, without the options that say which log and
    /// resources; empty when there is nothing to type, or only after a decision.
    std::string command = {};
    /// What it does, or what has to happen first; sentences.
    std::string why;
    /// When a person has to decide.
    std::vector<Choice> choices = {};

    friend bool operator==(const NextStep&, const NextStep&) = default;
};

/// Pure: `transaction` is one of the report's.
[[nodiscard]] NextStep next_step(const RecoveryReport& report,
                                 const RecoveryTransaction& transaction);

}  // namespace xa_tm::cli
