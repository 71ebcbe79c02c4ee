#pragma once

#include <string>

#include "xa_tm/xid.h"

namespace xa_tm::bench {

/// A prepared branch, and how it has to end.
struct InDoubt {
    Xid xid;
    bool is_decided;
};

/// Under which the transaction manager knows the server.
inline constexpr auto kResource = "bench";
inline constexpr auto kNode = "bench";

}  // namespace xa_tm::bench
