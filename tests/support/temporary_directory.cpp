#include "temporary_directory.h"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>

namespace xa_tm::test {

TemporaryDirectory::TemporaryDirectory(const std::filesystem::path& parent) {
    auto pattern = (parent / "xa_tm_test_XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw std::system_error(errno, std::generic_category(), pattern);
    }
    path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::map<std::string, std::string> content_of(const std::filesystem::path& folder) {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator{folder}) {
        std::ostringstream text;
        text << std::ifstream{entry.path()}.rdbuf();
        files.emplace(entry.path().filename(), text.str());
    }
    return files;
}

}  // namespace xa_tm::test
