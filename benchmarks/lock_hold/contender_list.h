#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace xa_tm::bench {

/// Every contender, in the order of tables.
[[nodiscard]] const std::vector<std::string>& all_contenders();
/// Enough to judge by in two minutes.
[[nodiscard]] const std::vector<std::string>& quick_contenders();
/// Those that are transaction managers, and so can be measured alone; peers at their best.
[[nodiscard]] const std::vector<std::string>& managers_alone();
/// Whether it says something where very many threads want one row: not all can have their
/// connections there.
[[nodiscard]] bool is_for_crowds(const std::string& contender);
/// On how many threads its trips are counted: one, unless its transactions share trips.
[[nodiscard]] unsigned counting_threads(const std::string& contender);
/// How many connections to the database of a branch it may open.
[[nodiscard]] unsigned connections_of(const std::string& contender, unsigned threads);
[[nodiscard]] bool is_peer(const std::string& contender);

/// Where the contenders' programs are.
struct Programs {
    std::filesystem::path ours;   ///< lock_hold_contender, which plays all but the peers
    std::filesystem::path peers;  ///< the jar
};

/// Why it can't be started; nothing when it can.
[[nodiscard]] std::optional<std::string> missing_for(const std::string& contender,
                                                     const Programs& programs);
[[nodiscard]] std::vector<std::string> command_of(const std::string& contender,
                                                  const Programs& programs);

}  // namespace xa_tm::bench
