#include "set_up.h"

#include <chrono>

#include "forced_file.h"
#include "machine.h"
#include "quantiles.h"
#include "temporary_directory.h"

namespace xa_tm::bench {

nlohmann::json describe_set_up(const std::filesystem::path& directory) {
    constexpr int kSyncs = 500;
    const test::TemporaryDirectory scratch{directory};
    ForcedFile file{scratch.path() / "sync"};
    std::vector<double> times_us;
    for (int i = 0; i < kSyncs; ++i) {
        const auto start = std::chrono::steady_clock::now();
        file.force();
        const std::chrono::duration<double, std::micro> time =
            std::chrono::steady_clock::now() - start;
        times_us.push_back(time.count());
    }
    auto set_up = to_json(describe_machine(directory));
    set_up["sync_us"] = {{"p50", quantile_of(times_us, 0.5)}, {"p99", quantile_of(times_us, 0.99)}};
    return set_up;
}

nlohmann::json versions_of(const std::vector<Resource>& resources) {
    auto versions = nlohmann::json::object();
    for (const auto& resource : resources) {
        versions[resource.name] = resource.version;
    }
    return versions;
}

}  // namespace xa_tm::bench
