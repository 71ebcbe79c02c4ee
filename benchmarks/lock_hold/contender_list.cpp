#include "contender_list.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>
#include <string_view>

#include <fmt/format.h>
#include <unistd.h>

namespace xa_tm::bench {
namespace {

constexpr std::array<std::string_view, 3> kPeers{"bitronix", "atomikos", "narayana"};

bool is_on_path(const std::string& program) {
    const char* path = std::getenv("PATH");
    std::istringstream folders{path != nullptr ? path : ""};
    for (std::string folder; std::getline(folders, folder, ':');) {
        if (::access((folder + "/" + program).c_str(), X_OK) == 0) {
            return true;
        }
    }
    return false;
}

}  // namespace

const std::vector<std::string>& all_contenders() {
    static const std::vector<std::string> names{"local",
                                                "local_scatter",
                                                "scatter",
                                                "by_hand",
                                                "ours",
                                                "ours_last",
                                                "ours_early",
                                                "ours_last_resource",
                                                "ours_one_shot",
                                                "ours_keys",
                                                "ours_combined",
                                                "narayana_best",
                                                "narayana_default",
                                                "atomikos_best",
                                                "atomikos_default",
                                                "bitronix_best",
                                                "bitronix_default"};
    return names;
}

const std::vector<std::string>& quick_contenders() {
    static const std::vector<std::string> names{
        "local",         "scatter",         "by_hand",
        "ours",          "ours_early",      "ours_last_resource",
        "ours_one_shot", "ours_keys",       "ours_combined",
        "narayana_best", "bitronix_default"};
    return names;
}

const std::vector<std::string>& managers_alone() {
    static const std::vector<std::string> names{"ours", "narayana_best", "atomikos_best",
                                                "bitronix_best"};
    return names;
}

bool is_for_crowds(const std::string& contender) {
    return contender == "local" || contender == "ours_combined" ||
           (is_peer(contender) && contender.ends_with("_best"));
}

unsigned counting_threads(const std::string& contender) {
    return contender == "ours_combined" ? 8 : 1;
}

unsigned connections_of(const std::string& contender, unsigned threads) {
    // What is finished behind keeps its connections, and a peer opens some more for its recovery.
    constexpr unsigned kSpare = 3;
    return (contender == "ours_early" ? 2 * threads : threads) + kSpare;
}

bool is_peer(const std::string& contender) {
    return std::ranges::any_of(kPeers, [&](auto peer) { return contender.starts_with(peer); });
}

std::optional<std::string> missing_for(const std::string& contender, const Programs& programs) {
    if (is_peer(contender)) {
        if (!std::filesystem::exists(programs.peers)) {
            return "the jar of the peers is missing; scripts/bench lock_hold --peers makes it";
        }
        if (!is_on_path("java")) {
            return "there is no java; scripts/bench lock_hold --peers installs it";
        }
        return std::nullopt;
    }
    if (::access(programs.ours.c_str(), X_OK) != 0) {
        return fmt::format("there is no program {}", programs.ours.string());
    }
    return std::nullopt;
}

std::vector<std::string> command_of(const std::string& contender, const Programs& programs) {
    if (is_peer(contender)) {
        return {"java", "-jar", programs.peers};
    }
    return {programs.ours};
}

}  // namespace xa_tm::bench
