#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <variant>

#include "xa_tm/logged_decision.h"
#include "xa_tm/recovery_log/recovery_log.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::test {

/// Decisions and heuristics that the log holds; what it remembers of servers and orders stays.
[[nodiscard]] inline std::size_t count_undone(const std::filesystem::path& log_directory) {
    const auto entries = recovery_log::read_log(log_directory).entries;
    return static_cast<std::size_t>(std::ranges::count_if(entries, [](const auto& entry) {
        const auto record = decode(entry.body).value();
        return std::holds_alternative<Decision>(record) ||
               std::holds_alternative<Heuristic>(record);
    }));
}

/// The same of a manager, as it sees it.
[[nodiscard]] inline std::size_t count_undone(const TransactionManager& manager) {
    const auto status = manager.recovery_status();
    return status.open_decisions + status.heuristics;
}

}  // namespace xa_tm::test
