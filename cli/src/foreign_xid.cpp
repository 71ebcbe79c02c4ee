#include "foreign_xid.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "text.h"

namespace xa_tm::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_graphic(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

/// Digits alone, without a sign or leading zeros.
template <class Number>
std::optional<Number> number_from(std::string_view text) {
    Number number{};
    const bool is_canonical =
        !text.empty() && is_digit(text.front()) && (text.size() == 1 || text.front() != '0');
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (!is_canonical || read.ec != std::errc{} || read.ptr != text.data() + text.size()) {
        return std::nullopt;
    }
    return number;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (auto end = text.find(separator); end != std::string_view::npos;
         end = text.find(separator)) {
        parts.push_back(text.substr(0, end));
        text.remove_prefix(end + 1);
    }
    parts.push_back(text);
    return parts;
}

template <class Number>
Number big_endian(std::string_view bytes) {
    std::uint64_t number = 0;
    for (const char c : bytes.substr(0, sizeof(Number))) {
        number = number << 8U | static_cast<unsigned char>(c);
    }
    return static_cast<Number>(number);
}

/// A moment that the clock of a transaction manager may have shown; other bytes are no time.
std::optional<std::string> moment(milliseconds since_1970) {
    constexpr seconds kYear2000{946'684'800};
    constexpr seconds kYear2100{4'102'444'800};
    if (since_1970 < kYear2000 || since_1970 >= kYear2100) {
        return std::nullopt;
    }
    const auto whole = std::chrono::floor<seconds>(since_1970);
    return fmt::format("{:%Y-%m-%d %H:%M:%S}.{:03} UTC", std::chrono::sys_seconds{whole},
                       (since_1970 - whole).count());
}

std::string uuid(std::string_view bytes) {
    const auto digits = to_hex(bytes);
    const std::string_view text = digits;
    return fmt::format("{}-{}-{}-{}-{}", text.substr(0, 8), text.substr(8, 4), text.substr(12, 4),
                       text.substr(16, 4), text.substr(20));
}

/// Source: com.atomikos.datasource.xa.XID ("ATOM"), com.atomikos.util.UniqueIdMgr and
/// AbstractXidFactory. gtrid: name, milliseconds in 13 digits, counter below 32000 in 5; bqual:
/// name and a counter.
std::optional<ForeignXid> atomikos(const Xid& xid) {
    constexpr std::size_t kDigits = 13 + 5;
    if (xid.format_id != 0x41544F4D || xid.gtrid.size() <= kDigits || !is_graphic(xid.gtrid) ||
        !is_graphic(xid.bqual) || !is_digit(xid.bqual.back())) {
        return std::nullopt;
    }
    const auto digits = std::string_view{xid.gtrid}.substr(xid.gtrid.size() - kDigits);
    const auto time = number_from<std::int64_t>(digits.substr(0, 13));
    const auto counter = number_from<unsigned>("1" + std::string{digits.substr(13)});
    if (!time || !counter || *counter >= 132'000) {
        return std::nullopt;
    }
    const auto made = moment(milliseconds{*time});
    if (!made) {
        return std::nullopt;
    }
    return ForeignXid{"Atomikos",
                      {{"node", xid.gtrid.substr(0, xid.gtrid.size() - kDigits)},
                       {"made", *made},
                       {"counter", std::to_string(*counter - 100'000)},
                       {"branch", xid.bqual}}};
}

constexpr std::size_t kNarayanaUidSize = 28;

std::string signed_hex(std::int64_t number) {
    return number < 0 ? fmt::format("-{:x}", 0 - static_cast<std::uint64_t>(number))
                      : fmt::format("{:x}", number);
}

/// Source: com.arjuna.ats.arjuna.common.Uid: two longs of the host's address, ints of process,
/// second in which the process began, and counter; written as its logs write it.
std::string narayana_uid(std::string_view bytes) {
    return fmt::format("{}:{}:{}:{}:{}", signed_hex(big_endian<std::int64_t>(bytes)),
                       signed_hex(big_endian<std::int64_t>(bytes.substr(8))),
                       signed_hex(big_endian<std::int32_t>(bytes.substr(16))),
                       signed_hex(big_endian<std::int32_t>(bytes.substr(20))),
                       signed_hex(big_endian<std::int32_t>(bytes.substr(24))));
}

/// An IPv4 address is stored as it is mapped into IPv6.
std::string narayana_host(std::string_view uid) {
    const auto low = big_endian<std::uint64_t>(uid.substr(8));
    if (big_endian<std::uint64_t>(uid) == 0 && low >> 32U == 0xffff) {
        return fmt::format("{}.{}.{}.{}", low >> 24U & 0xffU, low >> 16U & 0xffU, low >> 8U & 0xffU,
                           low & 0xffU);
    }
    return to_hex(uid.substr(0, 16));
}

/// Source: com.arjuna.ats.jta.xa.XATxConverter and FormatConstants (JTA_FORMAT_ID). gtrid: uid and
/// node name; bqual: uid, int of the resource, length and text of a subordinate's node name.
std::optional<ForeignXid> narayana(const Xid& xid) {
    constexpr std::size_t kBqualHead = kNarayanaUidSize + 4 + 4;
    if (xid.format_id != 131077 || xid.gtrid.size() <= kNarayanaUidSize ||
        xid.bqual.size() < kBqualHead) {
        return std::nullopt;
    }
    const std::string_view gtrid = xid.gtrid;
    const std::string_view bqual = xid.bqual;
    const auto node = gtrid.substr(kNarayanaUidSize);
    const auto subordinate = bqual.substr(kBqualHead);
    const auto started = moment(seconds{big_endian<std::int32_t>(gtrid.substr(20))});
    if (!is_graphic(node) || !started ||
        big_endian<std::uint32_t>(bqual.substr(kNarayanaUidSize + 4)) != subordinate.size() ||
        (!subordinate.empty() && !is_graphic(subordinate))) {
        return std::nullopt;
    }
    ForeignXid foreign{
        "Narayana",
        {{"node", std::string{node}},
         {"host", narayana_host(gtrid)},
         {"pid", std::to_string(big_endian<std::int32_t>(gtrid.substr(16)))},
         {"of a process started", *started},
         {"transaction", narayana_uid(gtrid)},
         {"branch", narayana_uid(bqual)},
         {"resource", std::to_string(big_endian<std::int32_t>(bqual.substr(kNarayanaUidSize)))}}};
    if (!subordinate.empty()) {
        foreign.parts.push_back({"subordinate node", std::string{subordinate}});
    }
    return foreign;
}

/// Source: bitronix.tm.BitronixXid ("Btnx") and bitronix.tm.utils.UidGenerator. gtrid and bqual
/// alike: server id, milliseconds as a long, sequence as an int.
std::optional<ForeignXid> bitronix(const Xid& xid) {
    constexpr std::size_t kTail = 8 + 4;
    if (xid.format_id != 0x42746E78 || xid.gtrid.size() <= kTail || xid.bqual.size() <= kTail) {
        return std::nullopt;
    }
    const auto head = [](std::string_view uid) { return uid.substr(0, uid.size() - kTail); };
    const auto tail = [](std::string_view uid) { return uid.substr(uid.size() - kTail); };
    const auto sequence = [&](std::string_view uid) {
        return std::to_string(big_endian<std::int32_t>(tail(uid).substr(8)));
    };
    const auto made = moment(milliseconds{big_endian<std::int64_t>(tail(xid.gtrid))});
    const auto enlisted = moment(milliseconds{big_endian<std::int64_t>(tail(xid.bqual))});
    if (!is_graphic(head(xid.gtrid)) || !is_graphic(head(xid.bqual)) || !made || !enlisted) {
        return std::nullopt;
    }
    return ForeignXid{"Bitronix",
                      {{"server", std::string{head(xid.gtrid)}},
                       {"made", *made},
                       {"sequence", sequence(xid.gtrid)},
                       {"branch", sequence(xid.bqual)}}};
}

/// Source: LIXA's lixa_xid.c, lixa_xid_create_new() ("LIXA"): a UUID each.
std::optional<ForeignXid> lixa(const Xid& xid) {
    if (xid.format_id != 0x4C495841 || xid.gtrid.size() != 16 || xid.bqual.size() != 16) {
        return std::nullopt;
    }
    return ForeignXid{"LIXA", {{"transaction", uuid(xid.gtrid)}, {"branch", to_hex(xid.bqual)}}};
}

/// Source: Enduro/X's tmsrv, xasrvutil.c, atmi_xa_new_xid(). gtrid: a UUID; bqual: the resource
/// manager's id in one byte, then node and server in the byte order of a machine that we do not
/// know.
std::optional<ForeignXid> enduro_x(const Xid& xid) {
    if (xid.format_id != 0x6194F7A1 || xid.gtrid.size() != 16 || xid.bqual.size() != 5) {
        return std::nullopt;
    }
    return ForeignXid{"Enduro/X",
                      {{"transaction", uuid(xid.gtrid)},
                       {"resource manager", std::to_string(big_endian<std::uint8_t>(xid.bqual))}}};
}

/// Source: org.apache.seata.rm.datasource.xa.XABranchXid and org.apache.seata.common.XID. gtrid:
/// host, port and id of the coordinator's; bqual: the branch's id behind a hyphen, or nothing.
std::optional<ForeignXid> seata(const Xid& xid) {
    const std::string_view gtrid = xid.gtrid;
    const auto last = gtrid.rfind(':');
    if (xid.format_id != 9752 || last == std::string_view::npos) {
        return std::nullopt;
    }
    const auto address = gtrid.substr(0, last);
    const auto colon = address.rfind(':');
    const auto id = gtrid.substr(last + 1);
    if (colon == std::string_view::npos || !is_graphic(address.substr(0, colon)) ||
        !number_from<std::uint16_t>(address.substr(colon + 1)) || !number_from<std::uint64_t>(id)) {
        return std::nullopt;
    }
    ForeignXid foreign{"Seata",
                       {{"coordinator", std::string{address}}, {"transaction", std::string{id}}}};
    if (xid.bqual.empty()) {
        return foreign;
    }
    const auto branch = std::string_view{xid.bqual}.substr(1);
    if (xid.bqual.front() != '-' || !number_from<std::uint64_t>(branch)) {
        return std::nullopt;
    }
    foreign.parts.push_back({"branch", std::string{branch}});
    return foreign;
}

/// Ours of another node: NODE:LOG:INCARNATION:SEQUENCE and RESOURCE:ORDINAL.
std::optional<ForeignXid> xa_tm_of_another_node(const Xid& xid) {
    const auto gtrid = split(xid.gtrid, ':');
    const auto bqual = split(xid.bqual, ':');
    if (xid.format_id != kFormatId || gtrid.size() != 4 || bqual.size() != 2 ||
        !is_graphic(gtrid[0]) || gtrid[1].size() != 16 || !number_from<std::uint32_t>(gtrid[2]) ||
        !number_from<std::uint64_t>(gtrid[3]) || !is_graphic(bqual[0]) ||
        !number_from<std::uint32_t>(bqual[1])) {
        return std::nullopt;
    }
    return ForeignXid{"xa_tm",
                      {{"node", std::string{gtrid[0]}},
                       {"log", std::string{gtrid[1]}},
                       {"incarnation", std::string{gtrid[2]}},
                       {"transaction", std::string{gtrid[3]}},
                       {"resource", std::string{bqual[0]}}}};
}

/// MySQL and MariaDB fill in format id 1 where a statement names none.
std::optional<ForeignXid> by_hand(const Xid& xid) {
    if (xid.format_id != 1 || !is_graphic(xid.gtrid) ||
        (!xid.bqual.empty() && !is_graphic(xid.bqual))) {
        return std::nullopt;
    }
    ForeignXid foreign{.product = "hand, or by a program that names no format id",
                       .parts = {{"gtrid", xid.gtrid}},
                       .is_product_known = false};
    if (!xid.bqual.empty()) {
        foreign.parts.push_back({"branch", xid.bqual});
    }
    return foreign;
}

/// Source: pgjdbc's org.postgresql.xa.RecoveredXid: FORMATID_BASE64(GTRID)_BASE64(BQUAL).
std::optional<ForeignXid> by_jdbc(const Xid& xid, std::string_view name) {
    if (!name.starts_with(fmt::format("{}_", xid.format_id)) || split(name, '_').size() != 3) {
        return std::nullopt;
    }
    return ForeignXid{.product = "a program that names branches as the PostgreSQL JDBC driver does",
                      .parts = {{"format id", std::to_string(xid.format_id)},
                                {"gtrid", to_hex(xid.gtrid)},
                                {"bqual", to_hex(xid.bqual)}},
                      .is_product_known = false};
}

std::optional<std::string> from_hex(std::string_view digits) {
    std::string bytes;
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        unsigned char byte = 0;
        const auto* end = digits.data() + std::min(i + 2, digits.size());
        if (std::from_chars(digits.data() + i, end, byte, 16).ptr != end) {
            return std::nullopt;
        }
        bytes += static_cast<char>(byte);
    }
    return to_hex(bytes) == digits ? std::optional{bytes} : std::nullopt;
}

/// Source: LIXA's lixa_xid.c, lixa_xid_serialize(): FORMATID.HEX(GTRID).HEX(BQUAL).
std::optional<ForeignXid> lixa_at_postgres(std::string_view gid) {
    const auto parts = split(gid, '.');
    if (parts.size() != 3) {
        return std::nullopt;
    }
    const auto format_id = number_from<std::int64_t>(parts[0]);
    auto gtrid = from_hex(parts[1]);
    auto bqual = from_hex(parts[2]);
    if (!format_id || !gtrid || !bqual) {
        return std::nullopt;
    }
    return lixa({.format_id = *format_id, .gtrid = *std::move(gtrid), .bqual = *std::move(bqual)});
}

/// Source: Citus' remote_transaction.c, PREPARED_TRANSACTION_NAME_FORMAT: group of the node that
/// coordinates, its backend's pid, its distributed transaction, the connection.
std::optional<ForeignXid> citus(std::string_view gid) {
    const auto parts = split(gid, '_');
    if (parts.size() != 5 || parts[0] != "citus" || !number_from<std::uint32_t>(parts[1]) ||
        !number_from<std::uint32_t>(parts[2]) || !number_from<std::uint64_t>(parts[3]) ||
        !number_from<std::uint32_t>(parts[4])) {
        return std::nullopt;
    }
    return ForeignXid{"Citus",
                      {{"coordinator's group", std::string{parts[1]}},
                       {"pid", std::string{parts[2]}},
                       {"transaction", std::string{parts[3]}},
                       {"connection", std::string{parts[4]}}}};
}

/// Source: postgres_fdw_plus.h, PreparedXactCommand: the local transaction id, the user mapping,
/// the pid, the local cluster's name.
std::optional<ForeignXid> postgres_fdw_plus(std::string_view gid) {
    const auto parts = split(gid, '_');
    if (parts.size() < 5 || parts[0] != "pgfdw" || !number_from<std::uint64_t>(parts[1]) ||
        !number_from<std::uint32_t>(parts[2]) || !number_from<std::uint32_t>(parts[3])) {
        return std::nullopt;
    }
    const auto cluster = gid.substr(static_cast<std::size_t>(parts[4].data() - gid.data()));
    if (!is_graphic(cluster)) {
        return std::nullopt;
    }
    return ForeignXid{"postgres_fdw_plus",
                      {{"transaction id", std::string{parts[1]}},
                       {"user mapping", std::string{parts[2]}},
                       {"pid", std::string{parts[3]}},
                       {"cluster", std::string{cluster}}}};
}

}  // namespace

std::optional<ForeignXid> decode_foreign(const std::optional<Xid>& xid, std::string_view name) {
    if (xid) {
        for (auto* const form :
             {atomikos, narayana, bitronix, lixa, enduro_x, seata, xa_tm_of_another_node}) {
            if (auto foreign = form(*xid)) {
                return foreign;
            }
        }
        auto foreign = by_jdbc(*xid, name);
        return foreign ? foreign : by_hand(*xid);
    }
    for (auto* const form : {lixa_at_postgres, citus, postgres_fdw_plus}) {
        if (auto foreign = form(name)) {
            return foreign;
        }
    }
    return std::nullopt;
}

std::string to_string(const ForeignXid& foreign) {
    std::vector<std::string> parts;
    for (const auto& part : foreign.parts) {
        parts.push_back(fmt::format("{} {}", part.name, printable(part.value)));
    }
    return fmt::format("{}: {}", foreign.product, fmt::join(parts, ", "));
}

}  // namespace xa_tm::cli
