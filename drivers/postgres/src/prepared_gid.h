#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "xa_tm/xid.h"

namespace xa_tm::postgres {

/// PostgreSQL names a prepared transaction by text of at most this length.
inline constexpr std::size_t kMaxGidBytes = 199;

/// What the names of our branches begin with.
inline constexpr std::string_view kOwnPrefix = "xa_tm:";

/// The name of a branch at PostgreSQL. Ours are readable, "xa_tm:GTRID/BQUAL", when both parts are
/// only of [A-Za-z0-9._:-]. Every other xid is written as the PostgreSQL JDBC driver does,
/// "FORMATID_BASE64(GTRID)_BASE64(BQUAL)", so that branches of Java transaction managers show as
/// what they are. Needs no quoting within '...'. The parts must be no longer than XA allows.
[[nodiscard]] std::string encode_gid(const Xid& xid);

/// The xid whose name this is. Nothing for text that encode_gid() never makes: another program's.
[[nodiscard]] std::optional<Xid> decode_gid(std::string_view gid);

}  // namespace xa_tm::postgres
