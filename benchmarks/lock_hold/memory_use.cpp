#include "memory_use.h"

#include <chrono>
#include <stdexcept>

namespace xa_tm::bench {

nlohmann::json measure_memory(const Bench& bench) {
    constexpr std::chrono::minutes kPatience{10};  // for a million forces of a slow disk's log
    const test::TemporaryDirectory directory{bench.directory};
    const auto log_directory = directory.path() / "log";
    std::filesystem::create_directory(log_directory);
    if (const auto missing = missing_for("ours", bench.programs)) {
        throw std::runtime_error(*missing);
    }
    ContenderProcess process{command_of("ours", bench.programs),
                             {{"contender", "ours"},
                              {"measure", "memory"},
                              {"branches", nlohmann::json::array()},
                              {"null_resources", 2},
                              {"threads", 1},
                              {"rows", to_text(Rows::hot)},
                              {"read_only_share", 0},
                              {"log", "none"},
                              {"log_directory", log_directory}},
                             directory.path()};
    auto memory = process.next_event(kPatience);
    memory.erase("event");
    return memory;
}

}  // namespace xa_tm::bench
