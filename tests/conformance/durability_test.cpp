// That the servers of the sandbox really sync what the protocol relies on: a server that doesn't
// passes every other test.

#include <gtest/gtest.h>

#include "subjects.h"
#include "sync_counter.h"

namespace xa_tm::test {
namespace {

class Durability : public Conformance {};

TEST_P(Durability, PrepareAndCommitAreEachSyncedByTheServer) {
    constexpr int kTransactions = 25;
    const auto connection = subject_->connect();
    const SyncCounter syncs{GetParam().name};
    std::size_t of_prepare = 0;
    std::size_t of_commit = 0;
    for (int id = 1; id <= kTransactions; ++id) {
        const auto xid = unique_xid();
        ASSERT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
        subject_->insert(*connection, id);
        const auto before = syncs.count();
        ASSERT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
        const auto between = syncs.count();
        ASSERT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
        of_prepare += between - before;
        of_commit += syncs.count() - between;
    }
    EXPECT_GE(of_prepare, kTransactions);
    EXPECT_GE(of_commit, kTransactions);
    RecordProperty("syncs_of_prepare", std::to_string(of_prepare));
    RecordProperty("syncs_of_commit", std::to_string(of_commit));
}

INSTANTIATE_TEST_SUITE_P(Of, Durability, testing::ValuesIn(servers()), name_of);

}  // namespace
}  // namespace xa_tm::test
