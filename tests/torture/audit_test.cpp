// A rig that sees nothing would pass as well: each kind of violation, put before its judge.

#include "audit.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kId = 7;

/// Between the first two of three databases.
const BankTransfer kTransfer{.id = kId, .account = 3, .amount = 50, .parties = 0b011};

class TortureAudit : public testing::Test {
protected:
    TortureAudit() {
        for (const auto* name : {"a", "b", "c"}) {
            books_.push_back({.database = name,
                              .prepared = {"other"},
                              .planted = {"other"},
                              .rows = {"other:1"},
                              .planted_rows = {"other:1"}});
        }
    }

    void begin(const BankTransfer& transfer) { read(to_line(transfer)); }
    void tell(Outcome outcome) {
        read(to_line(BankOutcome{.id = kId, .outcome = outcome, .gtrid = "t:1"}));
    }
    void write_at(std::size_t database) {
        const auto share = share_of(kTransfer, database);
        books_[database].entries[kId] = {kTransfer.account, share};
        books_[database].balance += share;
    }
    void write_everywhere() {
        write_at(0);
        write_at(1);
    }
    [[nodiscard]] std::vector<std::string> judge() { return audit_.judge(books_, 0); }

    Audit audit_;
    std::vector<BankBooks> books_;

private:
    void read(std::string line) {
        line.pop_back();
        audit_.read(line);
    }
};

TEST_F(TortureAudit, HasNothingToSayOfATransferThatIsWhole) {
    begin(kTransfer);
    tell(Outcome::committed);
    write_everywhere();
    EXPECT_THAT(judge(), IsEmpty());
}

TEST_F(TortureAudit, TakesWhatNobodyWasToldEitherWayAsLongAsItIsWhole) {
    begin(kTransfer);
    EXPECT_THAT(judge(), IsEmpty());
    EXPECT_EQ(audit_.tally().untold_absent, 1U);
}

TEST_F(TortureAudit, SeesATornTransfer) {
    begin(kTransfer);
    write_at(1);
    EXPECT_THAT(judge(), Contains(HasSubstr("transfer 7 is torn: in the ledger of b, not of a")));
}

TEST_F(TortureAudit, SeesACommittedTransferThatIsNowhere) {
    begin(kTransfer);
    tell(Outcome::committed);
    EXPECT_THAT(judge(), ElementsAre(HasSubstr("told \"committed\", is in no ledger")));
}

TEST_F(TortureAudit, SeesARolledBackTransferThatIsThere) {
    begin(kTransfer);
    tell(Outcome::rolled_back);
    write_everywhere();
    EXPECT_THAT(judge(), ElementsAre(HasSubstr("told \"rolled back\", is in the ledgers")));
}

TEST_F(TortureAudit, SeesAHeuristicOutcome) {
    begin(kTransfer);
    tell(Outcome::heuristic_mixed);
    EXPECT_THAT(judge(), ElementsAre(HasSubstr("although nobody but us finishes branches")));
}

TEST_F(TortureAudit, SeesACommitThatWasNotMeant) {
    auto transfer = kTransfer;
    transfer.intent = BankIntent::roll_back;
    begin(transfer);
    write_everywhere();
    EXPECT_THAT(judge(), ElementsAre("transfer 7 was not to be committed, and was"));
}

TEST_F(TortureAudit, SeesAnotherSumThanTheOneThatWasToMove) {
    begin(kTransfer);
    write_everywhere();
    books_[1].entries[kId].amount += 1;
    EXPECT_THAT(judge(), ElementsAre("transfer 7 stands wrongly in the ledger of b"));
}

TEST_F(TortureAudit, SeesADatabaseThatWasNotToTakePart) {
    begin(kTransfer);
    write_everywhere();
    books_[2].entries[kId] = {3, 50};
    EXPECT_THAT(judge(), ElementsAre("transfer 7 was not to touch c, and has"));
}

TEST_F(TortureAudit, SeesATransferThatNobodyHasBegun) {
    write_at(0);
    books_[0].balance = 0;
    EXPECT_THAT(judge(), ElementsAre("nobody has begun transfer 7 of a"));
}

TEST_F(TortureAudit, SeesWhatHasChangedSinceTheLastLook) {
    begin(kTransfer);
    EXPECT_THAT(judge(), IsEmpty());
    write_everywhere();
    EXPECT_THAT(judge(),
                ElementsAre("transfer 7 was not in the ledgers before, and is in them now"));
}

TEST_F(TortureAudit, SeesASumThatIsLost) {
    books_[0].balance = 5;
    EXPECT_THAT(judge(), ElementsAre("all accounts of all databases add up to 5"));
}

TEST_F(TortureAudit, SeesAnAccountThatItsLedgerDoesNotExplain) {
    books_[2].wrong_accounts = {4};
    EXPECT_THAT(judge(), ElementsAre("account 4 of c does not hold what its ledger says"));
}

TEST_F(TortureAudit, SeesABranchThatIsLeft) {
    books_[1].prepared.insert("torture-1:0:1:1");
    EXPECT_THAT(judge(), ElementsAre("b still holds torture-1:0:1:1 prepared"));
}

TEST_F(TortureAudit, SeesThatAForeignBranchWasTouched) {
    books_[1].prepared.clear();
    EXPECT_THAT(judge(), ElementsAre("b holds the foreign other prepared no more"));
}

TEST_F(TortureAudit, SeesADecisionRowThatIsLeft) {
    books_[1].rows.insert("torture-1:0:1:1");
    EXPECT_THAT(judge(), ElementsAre("b still holds torture-1:0:1:1 as a decision row"));
}

TEST_F(TortureAudit, SeesThatAForeignDecisionRowWasTouched) {
    books_[1].rows.clear();
    EXPECT_THAT(judge(), ElementsAre("b holds the foreign other:1 as a decision row no more"));
}

TEST_F(TortureAudit, SeesThatAnEarlyAnswerWasNotKept) {
    begin(kTransfer);
    tell(Outcome::committed);
    tell(Outcome::rolled_back);
    write_everywhere();
    EXPECT_THAT(judge(), ElementsAre(HasSubstr("told \"rolled back\", is in the ledgers")));
}

TEST_F(TortureAudit, CountsAnEarlyAnswerOnce) {
    begin(kTransfer);
    tell(Outcome::committed);
    tell(Outcome::committed);
    EXPECT_EQ(audit_.committed(), 1U);
    EXPECT_EQ(audit_.tally().told.at(Outcome::committed), 1U);
}

TEST(TortureBank, WritesLinesThatAreReadBack) {
    for (const auto intent : {BankIntent::commit, BankIntent::refuse, BankIntent::roll_back,
                              BankIntent::overdraw, BankIntent::repeat}) {
        auto transfer = kTransfer;
        transfer.intent = intent;
        transfer.way = {
            .last_resource = 1, .is_async = true, .timeout_ms = 7, .call = BankCall::combined};
        auto line = to_line(transfer);
        line.pop_back();
        EXPECT_EQ(std::get<BankTransfer>(parse_line(line).value()), transfer);
    }
    for (const auto outcome :
         {Outcome::committed, Outcome::rolled_back, Outcome::unknown, Outcome::heuristic_rollback,
          Outcome::heuristic_mixed, Outcome::heuristic_hazard}) {
        const BankOutcome ended{.id = kId,
                                .outcome = outcome,
                                .is_settled = true,
                                .is_timed_out = true,
                                .gtrid = "torture-1:a:1:2"};
        auto line = to_line(ended);
        line.pop_back();
        EXPECT_EQ(std::get<BankOutcome>(parse_line(line).value()), ended);
    }
    EXPECT_FALSE(parse_line("ended 7 1 0 torture-1:a:1:2 comm").has_value());
}

TEST(TortureBank, MovesASumThatIsLostNowhere) {
    BankTransfer transfer{.amount = 50};
    for (transfer.parties = 1; transfer.parties < 16; ++transfer.parties) {
        std::int64_t sum = 0;
        for (std::size_t database = 0; database < kBankDatabasesMax; ++database) {
            sum += takes_part(transfer, database) ? share_of(transfer, database) : 0;
        }
        EXPECT_EQ(sum, 0) << transfer.parties;
    }
}

}  // namespace
}  // namespace xa_tm::test
