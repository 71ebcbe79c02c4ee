#include "cell.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace xa_tm::bench {

const char* to_text(Rows rows) noexcept {
    switch (rows) {
        case Rows::hot: return "hot";
        case Rows::cold: return "cold";
    }
    return "";
}

std::string to_text(const Cell& cell) {
    auto text =
        fmt::format("{}, {} {}, {} {}, {:g} ms, {}", fmt::join(cell.servers, "+"), cell.branches,
                    cell.branches == 1 ? "branch" : "branches", cell.threads,
                    cell.threads == 1 ? "thread" : "threads", cell.rtt_ms, to_text(cell.rows));
    if (cell.read_only_share > 0) {
        text += fmt::format(", {:g} read-only", cell.read_only_share);
    }
    return text;
}

nlohmann::json to_json(const Cell& cell) {
    return {{"servers", cell.servers},    {"branches", cell.branches},
            {"threads", cell.threads},    {"rtt_ms", cell.rtt_ms},
            {"rows", to_text(cell.rows)}, {"read_only_share", cell.read_only_share}};
}

Cell cell_from(const nlohmann::json& json) {
    return {.servers = json.at("servers"),
            .branches = json.at("branches"),
            .threads = json.at("threads"),
            .rtt_ms = json.at("rtt_ms"),
            .rows = json.at("rows") == "hot" ? Rows::hot : Rows::cold,
            .read_only_share = json.at("read_only_share")};
}

}  // namespace xa_tm::bench
