#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace xa_tm::bench {

/// So many threads are a crowd.
inline constexpr unsigned kCrowd = 64;

enum class Rows { hot, cold };

/// One place in the space that is measured.
struct Cell {
    /// Branch k works at servers[(k - 1) % servers.size()].
    std::vector<std::string> servers;
    unsigned branches = 2;
    unsigned threads = 8;
    double rtt_ms = 0;
    Rows rows = Rows::hot;
    double read_only_share = 0;

    friend bool operator==(const Cell&, const Cell&) = default;
};

[[nodiscard]] const char* to_text(Rows rows) noexcept;
/// One line for a person.
[[nodiscard]] std::string to_text(const Cell& cell);
[[nodiscard]] nlohmann::json to_json(const Cell& cell);
[[nodiscard]] Cell cell_from(const nlohmann::json& json);

}  // namespace xa_tm::bench
