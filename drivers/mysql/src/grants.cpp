#include "grants.h"

#include <algorithm>
#include <string_view>

namespace xa_tm::mysql {

Grants::Grants(const Reply& reply) {
    constexpr std::string_view kGrant = "GRANT ";
    for (const auto& row : reply.rows) {
        const auto line = row.at(0).value_or("");
        const auto end = line.find(" ON *.* ");
        if (!line.starts_with(kGrant) || end == std::string::npos) {
            has_roles_ = has_roles_ || line.find(" ON ") == std::string::npos;
            continue;
        }
        std::string_view list{line};
        list = list.substr(kGrant.size(), end - kGrant.size());
        while (!list.empty()) {
            const auto comma = std::min(list.find(','), list.size());
            privileges_.emplace(list.substr(0, comma));
            list.remove_prefix(std::min(comma + 1, list.size()));
            list.remove_prefix(std::min(list.find_first_not_of(' '), list.size()));
        }
    }
}

bool Grants::hold_any(const std::set<std::string>& privileges) const {
    return privileges_.contains("ALL PRIVILEGES") ||
           std::ranges::any_of(privileges, [this](const auto& privilege) {
               return privileges_.contains(privilege);
           });
}

bool Grants::see_every_session() const {
    return hold_any({"PROCESS"});
}

}  // namespace xa_tm::mysql
