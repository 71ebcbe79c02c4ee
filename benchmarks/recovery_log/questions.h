#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <vector>

#include "quiet.h"
#include "report.h"

namespace xa_tm::bench {

/// How much is measured.
struct Scale {
    unsigned rounds = 5;
    std::chrono::milliseconds warm_up{200};
    std::chrono::milliseconds duration{1000};
    Patience patience{};
    std::vector<unsigned> threads{1, 4, 16, 64, 256};
    std::size_t segment_size_bytes = std::size_t{64} << 20;
    /// Of the log whose rotations are to be seen.
    std::size_t small_segment_size_bytes = std::size_t{16} << 20;
    /// Of the log that is opened with `many_live` entries; 0 to leave that out.
    std::size_t large_segment_size_bytes = std::size_t{1} << 30;
    std::size_t many_live = 1'000'000;
    std::size_t many_finished = 1'000'000;
    std::size_t few_live = 10'000;
};

struct Bench {
    std::filesystem::path directory;
    Scale scale;

    [[nodiscard]] Load load(unsigned threads) const {
        return {threads, scale.warm_up, scale.duration};
    }
};

/// Runs the cells 0 to cells - 1 in every round, each round beginning with another one.
void run_rounds(unsigned rounds, std::size_t cells, const std::function<void(std::size_t)>& run);

// Each measures and answers one question; the criteria that it speaks to are named in its figures.
[[nodiscard]] Answer ask_single_thread(const Bench& bench);       // P1
[[nodiscard]] Answer ask_single_thread_busy(const Bench& bench);  // P2
[[nodiscard]] Answer ask_group_commit(const Bench& bench);        // P3, P4, P6, P7
[[nodiscard]] Answer ask_rotation(const Bench& bench);            // P5
[[nodiscard]] Answer ask_opening(const Bench& bench);             // P8
[[nodiscard]] Answer ask_reader(const Bench& bench);              // R8

/// What the child process of ask_opening() does: opens the log once; the answer is in JSON.
[[nodiscard]] nlohmann::json open_log_once(const std::filesystem::path& directory,
                                           std::size_t segment_size_bytes, unsigned copies);
/// What the child process of ask_reader() does: reads the log again and again.
[[nodiscard]] nlohmann::json read_log_repeatedly(const std::filesystem::path& directory,
                                                 std::chrono::milliseconds duration,
                                                 std::chrono::milliseconds pause);

}  // namespace xa_tm::bench
