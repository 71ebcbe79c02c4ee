#pragma once

#include <set>
#include <string>

#include "client_api.h"

namespace xa_tm::mysql {

/// The privileges that a user holds by itself for the whole server; what roles give is not looked
/// into.
///
/// Ownership: a value. Thread safety: const members may be called from several threads at once.
class Grants {
public:
    Grants() = default;
    /// From the reply to SHOW GRANTS.
    explicit Grants(const Reply& reply);

    [[nodiscard]] bool hold_any(const std::set<std::string>& privileges) const;
    /// Sessions of other users can be seen in the processlist.
    [[nodiscard]] bool see_every_session() const;
    [[nodiscard]] bool have_roles() const noexcept { return has_roles_; }

private:
    std::set<std::string> privileges_;
    bool has_roles_ = false;
};

}  // namespace xa_tm::mysql
