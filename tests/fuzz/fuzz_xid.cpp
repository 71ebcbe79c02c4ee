#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "cli/src/foreign_xid.h"
#include "drivers/mysql/src/session_mark.h"
#include "drivers/mysql/src/xid_literal.h"
#include "drivers/postgres/src/evidence.h"
#include "drivers/postgres/src/prepared_gid.h"
#include "fuzz_input.h"
#include "fuzz_target.h"
#include "xa_tm/src/global_id.h"

// Any bytes as the names of branches: those that we give, those that servers list, and those of
// other transaction managers. An input is a choice of formatID (1 byte, from 9 on with 8 more),
// gtrid and bqual, each with its length before it, and a name that somebody has made up.
namespace xa_tm {
namespace {

using test::Input;

bool is_graphic(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

Xid xid_of(Input& input) {
    // Ours, and those that other products write.
    constexpr std::array<std::int64_t, 9> kFormatIds{
        kFormatId, 1, 0, 0x41544F4D, 131077, 0x42746E78, 0x4C495841, 0x6194F7A1, 9752};
    const auto choice = input.number<std::uint8_t>();
    Xid xid;
    xid.format_id = choice < kFormatIds.size() ? kFormatIds[choice] : input.number<std::int64_t>();
    xid.gtrid = input.text(kMaxGtridBytes);
    xid.bqual = input.text(kMaxBqualBytes);
    return xid;
}

void check_foreign(const std::optional<Xid>& xid, std::string_view name) {
    if (const auto foreign = cli::decode_foreign(xid, name)) {
        XA_TM_CHECK(!foreign->product.empty() && !foreign->parts.empty(), "it says something");
        XA_TM_CHECK(is_graphic(to_string(*foreign)), "nothing in it drives a terminal");
    }
}

void check_at_postgres(const Xid& xid) {
    const auto gid = postgres::encode_gid(xid);
    XA_TM_CHECK(gid.size() <= postgres::kMaxGidBytes, "PostgreSQL takes it");
    XA_TM_CHECK(is_graphic(gid) && gid.find_first_of("'\\") == std::string::npos,
                "it needs no quoting");
    XA_TM_CHECK(postgres::decode_gid(gid) == xid, "a branch is found under the name it was given");
    check_foreign(xid, gid);
}

std::string bytes_of(std::string_view digits) {
    std::string bytes;
    for (; digits.size() >= 2; digits.remove_prefix(2)) {
        unsigned char byte = 0;
        const auto read = std::from_chars(digits.data(), digits.data() + 2, byte, 16);
        XA_TM_CHECK(read.ptr == digits.data() + 2, "hexadecimal digits");
        bytes += static_cast<char>(byte);
    }
    XA_TM_CHECK(digits.empty(), "two digits a byte");
    return bytes;
}

/// As a server reads x'GTRID',x'BQUAL',FORMATID.
Xid read_literal(std::string_view literal) {
    const auto quoted = [&literal] {
        XA_TM_CHECK(literal.starts_with("x'"), "a literal of bytes");
        const auto end = literal.find('\'', 2);
        auto bytes = bytes_of(literal.substr(2, end - 2));
        XA_TM_CHECK(literal.substr(end + 1).starts_with(','), "a comma behind it");
        literal.remove_prefix(end + 2);
        return bytes;
    };
    Xid xid;
    xid.gtrid = quoted();
    xid.bqual = quoted();
    const auto* end = literal.data() + literal.size();
    XA_TM_CHECK(std::from_chars(literal.data(), end, xid.format_id).ptr == end, "a number");
    return xid;
}

void check_at_mysql(const Xid& xid) {
    const auto literal = mysql::xid_literal(xid);
    XA_TM_CHECK(read_literal(literal) == xid, "the server reads what was meant");
    const auto listed =
        mysql::listed_branch(std::to_string(xid.format_id), std::to_string(xid.gtrid.size()),
                             std::to_string(xid.bqual.size()), xid.gtrid + xid.bqual);
    XA_TM_CHECK(listed.xid == xid && listed.name == literal,
                "a branch is found under the name it was given");
    check_foreign(xid, literal);
}

void check_ours(const Xid& xid, std::string_view name) {
    for (const std::string_view text : {std::string_view{xid.gtrid}, name}) {
        if (const auto id = parse_gtrid(text)) {
            XA_TM_CHECK(to_gtrid(*id) == text && text.size() <= kMaxGtridBytes && is_graphic(text),
                        "ours is only what we would have written");
        }
    }
    for (const std::string_view text : {std::string_view{xid.bqual}, name}) {
        if (const auto id = parse_bqual(text)) {
            XA_TM_CHECK(to_bqual(*id) == text, "ours is only what we would have written");
        }
    }
}

void check_made_up(std::string_view name) {
    if (const auto xid = postgres::decode_gid(name)) {
        XA_TM_CHECK(postgres::encode_gid(*xid) == name, "one xid has one name");
        XA_TM_CHECK(xid->gtrid.size() <= kMaxGtridBytes && xid->bqual.size() <= kMaxBqualBytes,
                    "it is an xid");
        check_foreign(xid, name);
    }
    check_foreign(std::nullopt, name);
    if (const auto evidence = postgres::evidence_from(name)) {
        XA_TM_CHECK(to_string(*evidence) == name, "evidence is only what we would have written");
        XA_TM_CHECK(evidence->transaction_id.find_first_not_of("0123456789") == std::string::npos,
                    "nothing but a number goes into a statement");
    }
    const auto origin = mysql::SessionOrigin::of({1, std::string{name}});
    const auto again = mysql::SessionOrigin::of({1, origin.to_string()});
    XA_TM_CHECK(again.server_started == origin.server_started && again.own_lock == origin.own_lock,
                "the session that is meant stays the same");
}

/// A row of XA RECOVER in which nothing has to fit.
void check_listed(std::string_view row) {
    std::array<std::string_view, 4> cells;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const auto end = i + 1 < cells.size() ? std::min(row.find(' '), row.size()) : row.size();
        cells[i] = row.substr(0, end);
        row.remove_prefix(std::min(end + 1, row.size()));
    }
    const auto listed = mysql::listed_branch(cells[0], cells[1], cells[2], cells[3]);
    if (listed.xid) {
        XA_TM_CHECK(listed.xid->gtrid + listed.xid->bqual == cells[3], "every byte is kept");
        XA_TM_CHECK(read_literal(listed.name) == *listed.xid, "its name is its xid");
    }
    check_foreign(listed.xid, listed.name);
}

}  // namespace
}  // namespace xa_tm

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace xa_tm;
    Input input{data, size};
    const auto xid = xid_of(input);
    const auto name = input.rest();
    check_at_postgres(xid);
    check_at_mysql(xid);
    check_ours(xid, name);
    check_made_up(name);
    check_listed(name);
    return 0;
}
