#include "operator_name.h"

#include <array>

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

namespace xa_tm::cli {

std::string operator_name() {
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) != 0) {
        host = {"unknown"};
    }
    const auto* user = ::getpwuid(::geteuid());
    return fmt::format("{}@{}", user == nullptr ? std::to_string(::geteuid()) : user->pw_name,
                       host.data());
}

}  // namespace xa_tm::cli
