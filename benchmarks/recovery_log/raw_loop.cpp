#include "raw_loop.h"

#include <cstring>
#include <utility>
#include <vector>

#include <unistd.h>

#include "zeroed_file.h"

namespace xa_tm::bench {

RawLoop::RawLoop(const std::filesystem::path& parent, std::size_t file_bytes)
    : directory_{parent},
      file_bytes_{file_bytes},
      file_{create_zeroed_file(directory_.path() / "raw", file_bytes)} {}

RawLoop::~RawLoop() {
    ::close(file_);
}

Sample RawLoop::run(const Load& load, const RawFlush& flush) {
    const std::size_t half_bytes = file_bytes_ / flush.copies;
    std::vector<std::byte> bytes(flush.bytes, std::byte{0x5a});
    std::uint64_t syncs = 0;
    std::size_t offset = 0;
    std::size_t last_offset = 0;
    const auto loop = [&](unsigned, const Window& window) {
        Tally tally;
        while (!window.is_over()) {
            if (offset + flush.bytes > half_bytes) {
                offset = 0;
            }
            ++last_stamp_;
            const auto begin = Clock::now();
            std::memcpy(bytes.data(), &last_stamp_, sizeof(last_stamp_));
            for (unsigned copy = 0; copy < flush.copies; ++copy) {
                write_at(file_, bytes, copy * half_bytes + offset);
            }
            sync_data(file_);
            tally.add(window, begin);
            ++syncs;
            last_offset = std::exchange(offset, offset + flush.bytes);
        }
        return tally;
    };
    auto sample = measure(
        {1, load.warm_up, load.duration}, [] { return Counters{}; }, loop);
    sample.syncs = sample.decisions;
    sample.forces_per_sync = 1;

    std::vector<std::byte> found(flush.bytes);
    for (unsigned copy = 0; copy < flush.copies && syncs > 0; ++copy) {
        read_at(file_, found, copy * half_bytes + last_offset);
        if (found != bytes) {
            throw VerificationFailed{"the raw loop does not find its last write again"};
        }
    }
    return sample;
}

}  // namespace xa_tm::bench
