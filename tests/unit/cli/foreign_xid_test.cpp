// Each xid is written out by hand from the layout in the product's own source, named at the test.

#include "foreign_xid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::cli {
namespace {

using namespace std::string_literals;
using testing::Optional;

std::string told(const std::optional<Xid>& xid, std::string_view name = {}) {
    const auto foreign = decode_foreign(xid, name);
    return foreign ? to_string(*foreign) : "nothing";
}

/// com.atomikos.datasource.xa.XID, com.atomikos.util.UniqueIdMgr
Xid of_atomikos() {
    return {.format_id = 0x41544F4D, .gtrid = "tm1176732304567800042", .bqual = "tm17"};
}

/// com.arjuna.ats.jta.xa.XATxConverter, com.arjuna.ats.arjuna.common.Uid
Xid of_narayana() {
    const auto host = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x0a\x00\x00\x07"s;
    const auto process_and_second = "\x00\x00\x10\x92\x69\x57\x33\x65"s;
    return {.format_id = 131077,
            .gtrid = host + process_and_second + "\x00\x00\x00\x2a"s + "node-1",
            .bqual = host + process_and_second + "\x00\x00\x00\x2b"s + "\x00\x00\x00\x03"s +
                     "\x00\x00\x00\x00"s};
}

/// bitronix.tm.utils.UidGenerator, bitronix.tm.BitronixXid
Xid of_bitronix() {
    return {.format_id = 0x42746E78,
            .gtrid = "shop" + "\x00\x00\x01\x9b\x7c\xa9\x8f\x4e\x00\x00\x00\x05"s,
            .bqual = "shop" + "\x00\x00\x01\x9b\x7c\xa9\x8f\x58\x00\x00\x00\x06"s};
}

/// LIXA's lixa_xid_create_new()
Xid of_lixa() {
    return {.format_id = 0x4C495841,
            .gtrid = "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef",
            .bqual = std::string(16, '\x11')};
}

TEST(ForeignXid, ReadsThoseOfAtomikos) {
    EXPECT_EQ(told(of_atomikos()),
              "Atomikos: node tm1, made 2026-01-02 03:04:05.678 UTC, counter 42, branch tm17");
}

TEST(ForeignXid, ReadsThoseOfNarayana) {
    EXPECT_EQ(told(of_narayana()),
              "Narayana: node node-1, host 10.0.0.7, pid 4242, of a process started 2026-01-02 "
              "02:54:29.000 UTC, transaction 0:ffff0a000007:1092:69573365:2a, branch "
              "0:ffff0a000007:1092:69573365:2b, resource 3");
}

TEST(ForeignXid, ReadsTheSubordinateNodeOfNarayana) {
    auto xid = of_narayana();
    xid.bqual.replace(32, 4, "\x00\x00\x00\x02"s);
    xid.bqual += "n2";

    EXPECT_THAT(told(xid), testing::EndsWith("resource 3, subordinate node n2"));
}

TEST(ForeignXid, ReadsThoseOfBitronix) {
    EXPECT_EQ(told(of_bitronix()),
              "Bitronix: server shop, made 2026-01-02 03:04:05.710 UTC, sequence 5, branch 6");
}

TEST(ForeignXid, ReadsThoseOfLixa) {
    EXPECT_EQ(told(of_lixa()),
              "LIXA: transaction 01234567-89ab-cdef-0123-456789abcdef, branch "
              "11111111111111111111111111111111");
}

/// LIXA's lixa_xid_serialize()
TEST(ForeignXid, ReadsThoseOfLixaAtPostgres) {
    EXPECT_EQ(told(std::nullopt,
                   "1279875137.0123456789abcdef0123456789abcdef.11111111111111111111111111111111"),
              told(of_lixa()));
}

/// Enduro/X's atmi_xa_new_xid()
TEST(ForeignXid, ReadsThoseOfEnduroX) {
    EXPECT_EQ(
        told(Xid{
            .format_id = 0x6194F7A1, .gtrid = of_lixa().gtrid, .bqual = "\x02\x01\x00\x0a\x00"s}),
        "Enduro/X: transaction 01234567-89ab-cdef-0123-456789abcdef, resource manager 2");
}

/// org.apache.seata.rm.datasource.xa.XABranchXid
TEST(ForeignXid, ReadsThoseOfSeata) {
    EXPECT_EQ(told(Xid{.format_id = 9752, .gtrid = "10.0.0.7:8091:27185", .bqual = "-31415"}),
              "Seata: coordinator 10.0.0.7:8091, transaction 27185, branch 31415");
    EXPECT_EQ(told(Xid{.format_id = 9752, .gtrid = "10.0.0.7:8091:27185", .bqual = ""}),
              "Seata: coordinator 10.0.0.7:8091, transaction 27185");
}

/// Citus' PREPARED_TRANSACTION_NAME_FORMAT
TEST(ForeignXid, ReadsThoseOfCitus) {
    EXPECT_EQ(told(std::nullopt, "citus_0_4242_17_1"),
              "Citus: coordinator's group 0, pid 4242, transaction 17, connection 1");
}

/// postgres_fdw_plus.h, PreparedXactCommand
TEST(ForeignXid, ReadsThoseOfPostgresFdwPlus) {
    EXPECT_EQ(told(std::nullopt, "pgfdw_731_16400_4242_main_cluster"),
              "postgres_fdw_plus: transaction id 731, user mapping 16400, pid 4242, cluster "
              "main_cluster");
}

TEST(ForeignXid, ReadsOursOfAnotherNode) {
    EXPECT_EQ(told(Xid{.gtrid = "shop-2:91b52e0c7a14d3f8:7:42", .bqual = "users:1"}),
              "xa_tm: node shop-2, log 91b52e0c7a14d3f8, incarnation 7, transaction 42, resource "
              "users");
}

TEST(ForeignXid, SaysWhenAStatementNamedNoFormatId) {
    EXPECT_EQ(told(Xid{.format_id = 1, .gtrid = "g1", .bqual = "b1"}, "x'6731',x'6231',1"),
              "hand, or by a program that names no format id: gtrid g1, branch b1");
}

/// org.postgresql.xa.RecoveredXid
TEST(ForeignXid, ReadsTheFormOfTheJdbcDriverWhoeverMadeTheXid) {
    EXPECT_EQ(told(Xid{.format_id = 77, .gtrid = "\x01\x02"s, .bqual = "b"}, "77_AQI=_Yg=="),
              "a program that names branches as the PostgreSQL JDBC driver does: format id 77, "
              "gtrid 0102, bqual 62");
    EXPECT_EQ(told(of_lixa(), "1279875137_ASNFZ4mrze8BI0VniavN7w==_EREREREREREREREREREREQ=="),
              told(of_lixa()));
}

TEST(ForeignXid, ClaimsNoFormThatTheBytesDoNotFitFully) {
    for (const auto& whole : {of_atomikos(), of_narayana(), of_bitronix(), of_lixa()}) {
        ASSERT_NE(told(whole), "nothing");
        for (const auto part : {&Xid::gtrid, &Xid::bqual}) {
            auto cut = whole;
            (cut.*part).clear();
            EXPECT_EQ(told(cut), "nothing") << told(whole);
        }
        auto other = whole;
        ++other.format_id;
        EXPECT_EQ(told(other), "nothing") << told(whole);
    }
    auto no_time = of_bitronix();
    no_time.gtrid[4] = '\x7f';
    EXPECT_EQ(told(no_time), "nothing");
    auto high_counter = of_atomikos();
    high_counter.gtrid.replace(16, 5, "32000");
    EXPECT_EQ(told(high_counter), "nothing");
    auto long_subordinate = of_narayana();
    long_subordinate.bqual.back() = '\x01';
    EXPECT_EQ(told(long_subordinate), "nothing");
}

TEST(ForeignXid, ClaimsNoFreeText) {
    for (const auto* gid : {"", "by hand", "citus_0_4242_17", "citus_0_4242_17_x", "citus_0_1_2_-1",
                            "1279875137.01.11", "1279875137.xy.11", "pgfdw_1_2_3", "1_2_3"}) {
        EXPECT_EQ(told(std::nullopt, gid), "nothing") << gid;
    }
}

TEST(ForeignXid, NeverLetsAnXidDriveTheTerminal) {
    EXPECT_EQ(to_string(ForeignXid{"X", {{"node", "\x1b[2J"}}}), "X: node \\x1b[2J");
}

}  // namespace
}  // namespace xa_tm::cli
