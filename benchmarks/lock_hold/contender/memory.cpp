#include "memory.h"

#include <fstream>
#include <stdexcept>
#include <vector>

#include <malloc.h>
#include <unistd.h>

#include "alone.h"

namespace xa_tm::bench {
namespace {

constexpr std::size_t kOpenAtOnce = 10'000;

void run_transactions(ManagerAlone& manager, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        if (manager.begin().commit().outcome() != Outcome::committed) {
            throw std::runtime_error("a transaction over null resources did not commit");
        }
    }
}

std::vector<Transaction> open_transactions(ManagerAlone& manager) {
    std::vector<Transaction> open;
    open.reserve(kOpenAtOnce);
    for (std::size_t i = 0; i < kOpenAtOnce; ++i) {
        open.push_back(manager.begin());
    }
    return open;
}

std::int64_t allocated_bytes() {
    const auto info = ::mallinfo2();
    return static_cast<std::int64_t>(info.uordblks + info.hblkhd);
}

}  // namespace

std::int64_t rss_bytes() {
    std::ifstream file{"/proc/self/statm"};
    std::int64_t size_pages = 0, resident_pages = 0;
    file >> size_pages >> resident_pages;
    return resident_pages * ::sysconf(_SC_PAGESIZE);
}

MemoryUse measure_memory(const Workload& workload) {
    ManagerAlone manager{workload, kOpenAtOnce};
    run_transactions(manager, 100'000);
    const auto at_100_000 = rss_bytes();
    run_transactions(manager, 900'000);
    const auto growth = rss_bytes() - at_100_000;

    open_transactions(manager);  // leaves the connections in the pool
    const auto none_open = allocated_bytes();
    const auto open = open_transactions(manager);
    return {growth, (allocated_bytes() - none_open) / static_cast<std::int64_t>(kOpenAtOnce)};
}

}  // namespace xa_tm::bench
