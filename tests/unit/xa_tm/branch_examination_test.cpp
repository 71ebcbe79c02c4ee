#include "xa_tm/branch_examination.h"

#include <gtest/gtest.h>

#include "fake_resource_manager.h"
#include "xa_tm/error.h"

namespace xa_tm {
namespace {

using namespace std::chrono_literals;
using test::FakeResourceManager;
using test::Fault;

class ExamineBranch : public testing::Test {
protected:
    ExamineBranch() { rm_.add_prepared({.xid = xid_, .name = "by hand"}); }

    /// The code of the error that the examination fails with.
    ErrorCode error() {
        try {
            static_cast<void>(examine_branch(rm_, xid_, 50ms));
        } catch (const Error& error) {
            return error.code();
        }
        ADD_FAILURE() << "it did not fail";
        return ErrorCode::invalid_state;
    }

    Xid xid_{.format_id = 7, .gtrid = "g", .bqual = "b"};
    FakeResourceManager rm_{"users"};
};

TEST_F(ExamineBranch, TellsWhomAPreparedBranchBlocks) {
    rm_.block(xid_, {.number = 4711, .user = "shop"});

    const auto examination = examine_branch(rm_, xid_, 5s);

    ASSERT_EQ(examination.holdings.blocked.size(), 1U);
    EXPECT_EQ(examination.holdings.blocked[0].number, 4711U);
    EXPECT_EQ(examination.server, rm_.connect({})->server_identity());
    EXPECT_EQ(rm_.prepared(), std::vector{xid_});
}

TEST_F(ExamineBranch, TakesARefusalForSomethingThatCouldNotBeTold) {
    rm_.answer_next(Verb::examine, {.code = XaCode::rmerr, .message = "grant PROCESS to shop"});

    EXPECT_EQ(examine_branch(rm_, xid_, 5s).holdings.caveat,
              "the server answered XAER_RMERR: grant PROCESS to shop");
}

TEST_F(ExamineBranch, FailsWhenTheServerCanNotBeReachedOrDoesNotAnswer) {
    rm_.fail_next(Verb::examine, Fault::lose_answer);
    EXPECT_EQ(error(), ErrorCode::resource_unreachable);
    rm_.fail_next(Verb::examine, Fault::stall_answer);
    EXPECT_EQ(error(), ErrorCode::resource_unreachable);
    rm_.set_reachable(false);
    EXPECT_EQ(error(), ErrorCode::resource_unreachable);
}

}  // namespace
}  // namespace xa_tm
