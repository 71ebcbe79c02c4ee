#include "temporary_directory.h"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

namespace xa_tm::bench {

TemporaryDirectory::TemporaryDirectory(const std::filesystem::path& parent) {
    auto pattern = (parent / "recovery_log_benchmark_XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw std::system_error(errno, std::generic_category(), pattern);
    }
    path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

}  // namespace xa_tm::bench
