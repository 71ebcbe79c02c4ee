#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "xa_tm/xid.h"

namespace xa_tm::cli {

/// What the name of a branch says of whoever made it.
struct ForeignXid {
    struct Part {
        std::string name;
        std::string value;

        friend bool operator==(const Part&, const Part&) = default;
    };

    /// Reads well behind "made by".
    std::string product;
    std::vector<Part> parts = {};
    /// False when the form tells how the name was written, but not which transaction manager has
    /// the log.
    bool is_product_known = true;

    friend bool operator==(const ForeignXid&, const ForeignXid&) = default;
};

/// Recognises the xids of other transaction managers, and ours of other nodes. `name` is the
/// server's own name for the branch; `xid` is nothing when that is no xid. Nothing unless every
/// byte is as that product writes it. Values may hold any bytes that the form allows.
[[nodiscard]] std::optional<ForeignXid> decode_foreign(const std::optional<Xid>& xid,
                                                       std::string_view name);

/// "Atomikos: node tm1, made 2026-01-02 03:04:05.678 UTC", printable.
[[nodiscard]] std::string to_string(const ForeignXid& foreign);

}  // namespace xa_tm::cli
