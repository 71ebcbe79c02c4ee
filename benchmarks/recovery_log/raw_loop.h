#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "contender.h"
#include "temporary_directory.h"

namespace xa_tm::bench {

/// The bytes of one sync: so many in a row, and the same again for each further copy.
struct RawFlush {
    std::size_t bytes = 4096;
    unsigned copies = 1;
};

/// The floor: one thread that writes over zeroed blocks with pwrite and syncs them with fdatasync.
///
/// Ownership: owns its file, which all runs use.
/// Thread safety: one run at a time.
class RawLoop final : public Contender {
public:
    RawLoop(const std::filesystem::path& parent, std::size_t file_bytes);
    ~RawLoop() override;

    [[nodiscard]] std::string name() const override { return "raw 4 KiB"; }
    [[nodiscard]] Sample run(const Load& load) override { return run(load, RawFlush{}); }
    [[nodiscard]] Sample run(const Load& load, const RawFlush& flush);

private:
    test::TemporaryDirectory directory_;
    std::size_t file_bytes_;
    int file_;
    std::uint64_t last_stamp_ = 0;
};

}  // namespace xa_tm::bench
