#include "commit_protocol.h"

#include <algorithm>
#include <array>
#include <span>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm {
namespace {

using recovery_log::ForceResult;
using testing::ElementsAre;
using testing::IsEmpty;
using Send = CommitProtocol::Send;

constexpr auto kEveryCode = std::to_array<XaCode>(
    {XaCode::ok, XaCode::rdonly, XaCode::retry, XaCode::heurmix, XaCode::heurrb, XaCode::heurcom,
     XaCode::heurhaz, XaCode::rbrollback, XaCode::rbdeadlock, XaCode::rbtimeout, XaCode::rmerr,
     XaCode::nota, XaCode::inval, XaCode::proto, XaCode::rmfail, XaCode::dupid, XaCode::outside});

/// One code of each kind that the protocol tells apart; the full set is used where it is
/// affordable.
constexpr auto kVotes = std::to_array<XaCode>(
    {XaCode::ok, XaCode::rdonly, XaCode::rbrollback, XaCode::nota, XaCode::rmerr, XaCode::rmfail});
constexpr auto kCompletions = std::to_array<XaCode>(
    {XaCode::ok, XaCode::nota, XaCode::rmfail, XaCode::retry, XaCode::rmerr, XaCode::rbrollback,
     XaCode::heurrb, XaCode::heurcom, XaCode::heurmix, XaCode::heurhaz});
constexpr auto kForceResults =
    std::to_array<ForceResult>({ForceResult::durable, ForceResult::refused, ForceResult::unknown});

/// Plays a transaction to its end with chosen answers, and keeps what was sent and when.
class Play {
public:
    struct Event {
        Send send;
        bool is_decision_durable;
    };

    /// The branches whose bit is set in `early` vote before the outcome is asked for.
    Play(std::size_t branches, std::vector<XaCode> votes, ForceResult force,
         std::vector<XaCode> completions, bool is_order_reversed, unsigned early = 0)
        : protocol{branches},
          votes_{std::move(votes)},
          completions_{std::move(completions)},
          force_{force},
          is_order_reversed_{is_order_reversed} {
        for (std::size_t branch = 0; branch < branches; ++branch) {
            if ((early >> branch & 1U) != 0) {
                protocol.vote(branch, votes_[branch]);
            }
        }
        run(protocol.commit());
    }

    /// With a last resource; `completions` has its answer, too.
    Play(std::vector<XaCode> votes, std::vector<XaCode> completions, std::size_t last_resource)
        : protocol{votes.size(), last_resource},
          votes_{std::move(votes)},
          completions_{std::move(completions)},
          force_{ForceResult::durable},
          is_order_reversed_{false} {
        run(protocol.commit());
    }

    [[nodiscard]] std::size_t count(Verb verb) const {
        return static_cast<std::size_t>(std::ranges::count_if(
            events, [&](const Event& event) { return event.send.verb == verb; }));
    }

    CommitProtocol protocol;
    std::vector<Event> events;
    std::vector<XaCode> last_codes = std::vector(protocol.branches(), XaCode::ok);
    std::size_t forces = 0;

private:
    void run(CommitProtocol::Step step) {
        std::vector<Send> outstanding;
        for (;;) {
            for (const auto& send : step.sends) {
                events.push_back({send, is_durable_});
                outstanding.push_back(send);
            }
            if (step.force_decision) {
                ++forces;
                is_durable_ = force_ == ForceResult::durable;
                step = protocol.decision(force_);
            } else if (!outstanding.empty()) {
                const auto next = is_order_reversed_ ? outstanding.end() - 1 : outstanding.begin();
                const auto send = *next;
                outstanding.erase(next);
                last_codes[send.branch] = code_for(send);
                step = protocol.answer(send.branch, last_codes[send.branch]);
            } else {
                return;
            }
        }
    }

    [[nodiscard]] XaCode code_for(const Send& send) const {
        return send.verb == Verb::prepare ? votes_[send.branch] : completions_[send.branch];
    }

    std::vector<XaCode> votes_;
    std::vector<XaCode> completions_;
    ForceResult force_;
    bool is_order_reversed_;
    bool is_durable_ = false;
};

/// Calls `visit` with every way to choose `length` values, repetitions included.
template <class Visit>
void for_each_choice(std::span<const XaCode> values, std::size_t length, Visit&& visit) {
    std::vector<std::size_t> indices(length, 0);
    for (;;) {
        std::vector<XaCode> choice;
        for (const auto index : indices) {
            choice.push_back(values[index]);
        }
        visit(choice);
        std::size_t position = 0;
        while (position < length && ++indices[position] == values.size()) {
            indices[position++] = 0;
        }
        if (position == length) {
            return;
        }
    }
}

bool is_yes(XaCode vote) {
    return vote == XaCode::ok || vote == XaCode::rdonly;
}

void expect_laws(const Play& play, const std::vector<XaCode>& votes) {
    const bool is_everyone_for_it = std::ranges::all_of(votes, is_yes);
    const auto writers = static_cast<std::size_t>(std::ranges::count(votes, XaCode::ok));
    // Law 1: nobody is rolled back once somebody was told to commit.
    EXPECT_TRUE(play.count(Verb::commit) == 0 || play.count(Verb::rollback) == 0);
    // Law 2: two or more writers commit only behind a durable decision.
    for (const auto& event : play.events) {
        EXPECT_TRUE(event.send.verb != Verb::commit || event.is_decision_durable || writers == 1);
    }
    EXPECT_EQ(play.forces, is_everyone_for_it && writers >= 2 ? 1U : 0U);
    if (!is_everyone_for_it) {
        EXPECT_EQ(play.count(Verb::commit), 0U);
    }
    // Every branch that voted yes hears of the outcome once, unless the force left it open.
    for (std::size_t branch = 0; branch < votes.size(); ++branch) {
        const auto completions = std::ranges::count_if(play.events, [&](const auto& event) {
            return event.send.branch == branch && event.send.verb != Verb::prepare;
        });
        EXPECT_LE(completions, 1);
        const bool is_left_open = play.protocol.state(branch) == BranchState::prepared;
        const bool has_refused = votes[branch] == XaCode::rmerr;
        EXPECT_EQ(completions == 1, (votes[branch] == XaCode::ok || has_refused) && !is_left_open);
    }
}

void expect_honest_outcome(const Play& play, const std::vector<XaCode>& votes, ForceResult force) {
    const auto outcome = play.protocol.outcome();
    const auto is_in = [&](BranchState wanted) {
        for (std::size_t i = 0; i < votes.size(); ++i) {
            if (play.protocol.state(i) == wanted) {
                return true;
            }
        }
        return false;
    };
    if (play.forces == 1 && force == ForceResult::unknown) {
        EXPECT_EQ(outcome, Outcome::unknown);
    }
    // Law 9: a mixed or hazardous end is never called a success.
    if (is_in(BranchState::heuristic_hazard) || is_in(BranchState::heuristic_mixed)) {
        EXPECT_TRUE(outcome == Outcome::heuristic_hazard || outcome == Outcome::heuristic_mixed);
    }
    if (outcome == Outcome::committed) {
        EXPECT_FALSE(is_in(BranchState::heuristic_rollback) || is_in(BranchState::rolled_back));
        EXPECT_FALSE(is_in(BranchState::prepared));
    }
    if (outcome == Outcome::rolled_back) {
        EXPECT_FALSE(is_in(BranchState::committed) || is_in(BranchState::heuristic_commit));
    }
}

TEST(CommitProtocol, KeepsTheLawsForEveryVoteAndAnswerOfTwoBranches) {
    std::size_t plays = 0;
    for_each_choice(kEveryCode, 2, [&](const std::vector<XaCode>& votes) {
        for_each_choice(kCompletions, 2, [&](const std::vector<XaCode>& completions) {
            for (const auto force : kForceResults) {
                for (const bool is_reversed : {false, true}) {
                    const Play play{2, votes, force, completions, is_reversed};
                    ASSERT_TRUE(play.protocol.is_finished());
                    expect_honest_outcome(play, votes, force);
                    ++plays;
                }
            }
        });
    });
    EXPECT_EQ(plays, 17U * 17 * 10 * 10 * 3 * 2);
}

TEST(CommitProtocol, KeepsTheLawsForEveryKindOfVoteAndAnswerOfThreeBranches) {
    std::size_t plays = 0;
    for_each_choice(kVotes, 3, [&](const std::vector<XaCode>& votes) {
        for_each_choice(kCompletions, 3, [&](const std::vector<XaCode>& completions) {
            for (const auto force : kForceResults) {
                const Play play{3, votes, force, completions, plays % 2 == 0};
                ASSERT_TRUE(play.protocol.is_finished());
                expect_laws(play, votes);
                expect_honest_outcome(play, votes, force);
                ++plays;
            }
        });
    });
    EXPECT_EQ(plays, 216U * 1000 * 3);
}

TEST(CommitProtocol, KeepsTheLawsForEveryKindOfVoteAndAnswerOfTwoBranches) {
    for_each_choice(kVotes, 2, [&](const std::vector<XaCode>& votes) {
        for_each_choice(kCompletions, 2, [&](const std::vector<XaCode>& completions) {
            for (const auto force : kForceResults) {
                expect_laws(Play{2, votes, force, completions, false}, votes);
                expect_laws(Play{2, votes, force, completions, true}, votes);
            }
        });
    });
}

/// A branch that nobody asked, because another had voted no by then, is as open as one that
/// refused.
std::vector<XaCode> votes_that_count(const Play& play, std::vector<XaCode> votes) {
    for (std::size_t branch = 0; branch < votes.size(); ++branch) {
        const auto first = std::ranges::find_if(
            play.events, [&](const auto& event) { return event.send.branch == branch; });
        const bool is_asked = first == play.events.end() || first->send.verb == Verb::prepare;
        if (!is_asked && votes[branch] != XaCode::ok) {
            votes[branch] = XaCode::rmerr;
        }
    }
    return votes;
}

TEST(CommitProtocol, KeepsTheLawsWhicheverBranchesVoteBeforeTheOutcomeIsAskedFor) {
    for_each_choice(kVotes, 3, [&](const std::vector<XaCode>& votes) {
        for_each_choice(kCompletions, 1, [&](const std::vector<XaCode>& completion) {
            const std::vector completions(3, completion.front());
            for (unsigned early = 1; early < 8; ++early) {
                for (const auto force : kForceResults) {
                    const Play play{3, votes, force, completions, early % 2 == 0, early};
                    ASSERT_TRUE(play.protocol.is_finished());
                    expect_honest_outcome(play, votes, force);
                    if (play.protocol.is_one_phase()) {
                        EXPECT_EQ(play.count(Verb::prepare) + play.count(Verb::commit), 0U);
                        EXPECT_EQ(play.forces, 0U);
                    } else {
                        expect_laws(play, votes_that_count(play, votes));
                    }
                }
            }
        });
    });
}

TEST(CommitProtocol, PreparesOnlyTheBranchesThatHaveNotVoted) {
    CommitProtocol protocol{3};
    protocol.vote(1, XaCode::ok);
    EXPECT_EQ(protocol.count_of_writers(), 3U);
    EXPECT_THAT(protocol.commit().sends,
                ElementsAre(Send{0, Verb::prepare}, Send{2, Verb::prepare}));
}

TEST(CommitProtocol, RollsBackEveryBranchWhenOneHasVotedNoBefore) {
    CommitProtocol protocol{3};
    protocol.vote(0, XaCode::ok);
    protocol.vote(1, XaCode::rbdeadlock);
    EXPECT_THAT(protocol.commit().sends,
                ElementsAre(Send{0, Verb::rollback}, Send{2, Verb::rollback}));
    std::ignore = protocol.answer(0, XaCode::ok);
    std::ignore = protocol.answer(2, XaCode::ok);
    EXPECT_EQ(protocol.outcome(), Outcome::rolled_back);
}

TEST(CommitProtocol, CommitsTheOnlyBranchLeftInOnePhaseWhenTheOthersWroteNothing) {
    CommitProtocol protocol{3};
    protocol.vote(0, XaCode::rdonly);
    protocol.vote(2, XaCode::rdonly);
    EXPECT_EQ(protocol.count_of_writers(), 1U);
    EXPECT_THAT(protocol.commit().sends, ElementsAre(Send{1, Verb::commit_one_phase}));
    std::ignore = protocol.answer(1, XaCode::ok);
    EXPECT_EQ(protocol.outcome(), Outcome::committed);
}

TEST(CommitProtocol, CommitsInASingleStepWhenEveryBranchHasVoted) {
    CommitProtocol protocol{2};
    protocol.vote(0, XaCode::ok);
    protocol.vote(1, XaCode::ok);
    EXPECT_TRUE(protocol.commit().force_decision);
    EXPECT_THAT(protocol.decision(ForceResult::durable).sends,
                ElementsAre(Send{0, Verb::commit}, Send{1, Verb::commit}));
}

TEST(CommitProtocol, CommitsASingleBranchInOnePhaseWithoutARecord) {
    for (const auto code : kEveryCode) {
        const Play play{1, {XaCode::ok}, ForceResult::durable, {code}, false};
        EXPECT_EQ(play.forces, 0U);
        EXPECT_EQ(play.count(Verb::prepare), 0U);
        EXPECT_EQ(play.count(Verb::commit_one_phase), 1U);
        const bool has_committed =
            code == XaCode::ok || code == XaCode::rdonly || code == XaCode::heurcom;
        EXPECT_EQ(play.protocol.outcome() == Outcome::committed, has_committed) << to_string(code);
    }
}

TEST(CommitProtocol, ReportsALostOnePhaseAnswerAsUnknownAndNotAsRolledBack) {
    CommitProtocol protocol{1};
    EXPECT_THAT(protocol.commit().sends, ElementsAre(Send{0, Verb::commit_one_phase}));
    EXPECT_THAT(protocol.answer(0, XaCode::rmfail).sends, IsEmpty());
    EXPECT_EQ(protocol.outcome(), Outcome::unknown);
    EXPECT_EQ(protocol.state(0), BranchState::unknown);
}

TEST(CommitProtocol, RollsBackASingleBranchWhoseOnePhaseCommitWasRefused) {
    CommitProtocol protocol{1};
    std::ignore = protocol.commit();
    EXPECT_THAT(protocol.answer(0, XaCode::rmerr).sends, ElementsAre(Send{0, Verb::rollback}));
    std::ignore = protocol.answer(0, XaCode::ok);
    EXPECT_EQ(protocol.outcome(), Outcome::rolled_back);
}

TEST(CommitProtocol, SendsPrepareToEveryBranchBeforeAnyAnswer) {
    CommitProtocol protocol{3};
    EXPECT_THAT(protocol.commit().sends, ElementsAre(Send{0, Verb::prepare}, Send{1, Verb::prepare},
                                                     Send{2, Verb::prepare}));
}

TEST(CommitProtocol, ForcesNothingWhenFewerThanTwoBranchesWrote) {
    CommitProtocol protocol{3};
    std::ignore = protocol.commit();
    std::ignore = protocol.answer(0, XaCode::rdonly);
    std::ignore = protocol.answer(1, XaCode::rdonly);
    const auto step = protocol.answer(2, XaCode::ok);
    EXPECT_FALSE(step.force_decision);
    EXPECT_THAT(step.sends, ElementsAre(Send{2, Verb::commit}));
    std::ignore = protocol.answer(2, XaCode::ok);
    EXPECT_EQ(protocol.outcome(), Outcome::committed);
    EXPECT_FALSE(protocol.is_decision_logged());
}

TEST(CommitProtocol, IsUnknownWhenTheOnlyWriterDoesNotAnswerItsCommit) {
    CommitProtocol protocol{2};
    std::ignore = protocol.commit();
    std::ignore = protocol.answer(0, XaCode::rdonly);
    std::ignore = protocol.answer(1, XaCode::ok);
    std::ignore = protocol.answer(1, XaCode::rmfail);
    EXPECT_EQ(protocol.outcome(), Outcome::unknown);
    EXPECT_TRUE(protocol.is_commit_decided());
}

TEST(CommitProtocol, RollsBackWhoeverVotedYesAsSoonAsOneVotesNo) {
    CommitProtocol protocol{3};
    std::ignore = protocol.commit();
    std::ignore = protocol.answer(0, XaCode::ok);
    EXPECT_THAT(protocol.answer(1, XaCode::rbdeadlock).sends, ElementsAre(Send{0, Verb::rollback}));
    EXPECT_THAT(protocol.answer(2, XaCode::ok).sends, ElementsAre(Send{2, Verb::rollback}));
    std::ignore = protocol.answer(0, XaCode::ok);
    std::ignore = protocol.answer(2, XaCode::nota);
    EXPECT_EQ(protocol.outcome(), Outcome::rolled_back);
    EXPECT_EQ(protocol.state(2), BranchState::rolled_back);
}

TEST(CommitProtocol, HasAllVotesFromTheLastYesOnAndNeverWhenOneVotesNo) {
    CommitProtocol agreed{2};
    EXPECT_FALSE(agreed.has_all_votes());
    std::ignore = agreed.commit();
    std::ignore = agreed.answer(0, XaCode::ok);
    EXPECT_FALSE(agreed.has_all_votes());
    std::ignore = agreed.answer(1, XaCode::ok);
    EXPECT_TRUE(agreed.has_all_votes()) << "the decision is about to be forced";
    std::ignore = agreed.decision(ForceResult::durable);
    EXPECT_TRUE(agreed.has_all_votes());

    CommitProtocol refused{2};
    std::ignore = refused.commit();
    std::ignore = refused.answer(0, XaCode::ok);
    std::ignore = refused.answer(1, XaCode::rbrollback);
    EXPECT_FALSE(refused.has_all_votes());

    CommitProtocol single{1};
    std::ignore = single.commit();
    EXPECT_TRUE(single.has_all_votes()) << "it decides for itself";

    CommitProtocol with_last_resource{2, 1};
    std::ignore = with_last_resource.commit();
    EXPECT_FALSE(with_last_resource.has_all_votes());
    std::ignore = with_last_resource.answer(0, XaCode::ok);
    EXPECT_TRUE(with_last_resource.has_all_votes()) << "the last resource decides";
}

TEST(CommitProtocol, LeavesEveryBranchPreparedWhenTheForceMayHaveFailed) {
    CommitProtocol protocol{2};
    std::ignore = protocol.commit();
    std::ignore = protocol.answer(0, XaCode::ok);
    EXPECT_TRUE(protocol.answer(1, XaCode::ok).force_decision);
    EXPECT_THAT(protocol.decision(ForceResult::unknown).sends, IsEmpty());
    EXPECT_TRUE(protocol.is_finished());
    EXPECT_EQ(protocol.outcome(), Outcome::unknown);
    EXPECT_EQ(protocol.state(0), BranchState::prepared);
}

TEST(CommitProtocol, StaysCommittedWhenABranchCanNotBeReachedInPhaseTwo) {
    CommitProtocol protocol{2};
    std::ignore = protocol.commit();
    std::ignore = protocol.answer(0, XaCode::ok);
    std::ignore = protocol.answer(1, XaCode::ok);
    EXPECT_THAT(protocol.decision(ForceResult::durable).sends,
                ElementsAre(Send{0, Verb::commit}, Send{1, Verb::commit}));
    std::ignore = protocol.answer(0, XaCode::rmfail);
    std::ignore = protocol.answer(1, XaCode::ok);
    EXPECT_EQ(protocol.outcome(), Outcome::committed);
    EXPECT_EQ(protocol.state(0), BranchState::unknown);
}

TEST(CommitProtocol, LeavesABranchToRecoveryWhoseCommitWasRefusedOrNotKnown) {
    for (const auto code : {XaCode::retry, XaCode::nota, XaCode::rmerr, XaCode::inval,
                            XaCode::proto, XaCode::dupid, XaCode::outside, XaCode::rmfail}) {
        CommitProtocol protocol{2};
        std::ignore = protocol.commit();
        std::ignore = protocol.answer(0, XaCode::ok);
        std::ignore = protocol.answer(1, XaCode::ok);
        std::ignore = protocol.decision(ForceResult::durable);
        std::ignore = protocol.answer(0, code);
        std::ignore = protocol.answer(1, XaCode::ok);
        EXPECT_EQ(protocol.state(0), BranchState::unknown) << to_string(code);
        EXPECT_EQ(protocol.outcome(), Outcome::committed) << to_string(code);
    }
}

TEST(CommitProtocol, CommitsATransactionWithoutBranchesWithoutAVerb) {
    CommitProtocol protocol{0};
    EXPECT_EQ(protocol.commit(), CommitProtocol::Step{});
    EXPECT_EQ(protocol.outcome(), Outcome::committed);
}

TEST(CommitProtocol, RollsBackEveryActiveBranchAtTheApplicationsWish) {
    CommitProtocol protocol{2};
    EXPECT_THAT(protocol.rollback().sends,
                ElementsAre(Send{0, Verb::rollback}, Send{1, Verb::rollback}));
    std::ignore = protocol.answer(0, XaCode::ok);
    std::ignore = protocol.answer(1, XaCode::rmfail);
    EXPECT_EQ(protocol.outcome(), Outcome::rolled_back);
    EXPECT_EQ(protocol.state(1), BranchState::unknown);
}

TEST(CommitProtocol, CountsABranchThatHadWrittenNothingAsFinishedByItsCommit) {
    CommitProtocol protocol{2};
    std::ignore = protocol.commit();
    std::ignore = protocol.answer(0, XaCode::ok);
    std::ignore = protocol.answer(1, XaCode::ok);
    std::ignore = protocol.decision(ForceResult::durable);
    std::ignore = protocol.answer(0, XaCode::ok);
    std::ignore = protocol.answer(1, XaCode::rdonly);
    EXPECT_EQ(protocol.outcome(), Outcome::committed);
    EXPECT_EQ(protocol.state(1), BranchState::read_only);
}

TEST(CommitProtocol, CallsABranchThatWasFinishedBeforeItsPrepareAHazard) {
    CommitProtocol protocol{2};
    std::ignore = protocol.commit();
    std::ignore = protocol.answer(0, XaCode::ok);
    EXPECT_THAT(protocol.answer(1, XaCode::heurhaz).sends, ElementsAre(Send{0, Verb::rollback}));
    std::ignore = protocol.answer(0, XaCode::ok);
    EXPECT_EQ(protocol.outcome(), Outcome::heuristic_hazard);
}

TEST(CommitProtocolDeathTest, AbortsOnAnAnswerThatNobodyWaitsFor) {
    CommitProtocol protocol{2};
    EXPECT_DEATH(std::ignore = protocol.answer(0, XaCode::ok), "outstanding");
}

// The last resource

constexpr std::size_t kLast = 1;

TEST(CommitProtocol, CommitsTheLastResourceWithTheDecisionBehindTheVotesOfAllOthers) {
    CommitProtocol protocol{3, kLast};
    EXPECT_FALSE(protocol.may_force());
    EXPECT_THAT(protocol.commit().sends,
                ElementsAre(Send{0, Verb::prepare}, Send{2, Verb::prepare}));
    EXPECT_THAT(protocol.answer(0, XaCode::ok).sends, IsEmpty());
    const auto deciding = protocol.answer(2, XaCode::ok);
    EXPECT_FALSE(deciding.force_decision);
    EXPECT_THAT(deciding.sends, ElementsAre(Send{kLast, Verb::commit_with_decision}));
    EXPECT_FALSE(protocol.is_commit_decided());
    EXPECT_THAT(protocol.answer(kLast, XaCode::ok).sends,
                ElementsAre(Send{0, Verb::commit}, Send{2, Verb::commit}));
    EXPECT_TRUE(protocol.is_commit_decided());
    EXPECT_TRUE(protocol.is_decision_logged());
    std::ignore = protocol.answer(0, XaCode::ok);
    std::ignore = protocol.answer(2, XaCode::rmfail);
    EXPECT_EQ(protocol.outcome(), Outcome::committed) << "recovery commits the branch that is left";
    EXPECT_EQ(protocol.ending(), CommitProtocol::Ending::is_decided);
}

TEST(CommitProtocol, RollsTheLastResourceBackWithTheOthersWhenOneVotesNo) {
    CommitProtocol protocol{2, kLast};
    std::ignore = protocol.commit();
    EXPECT_THAT(protocol.answer(0, XaCode::rbrollback).sends,
                ElementsAre(Send{kLast, Verb::rollback}));
    std::ignore = protocol.answer(kLast, XaCode::ok);
    EXPECT_EQ(protocol.outcome(), Outcome::rolled_back);
}

TEST(CommitProtocol, RollsTheOthersBackWhenTheLastResourceDoesNotCommit) {
    for (const auto code : {XaCode::rbrollback, XaCode::rbdeadlock, XaCode::nota, XaCode::rmerr}) {
        CommitProtocol protocol{2, kLast};
        std::ignore = protocol.commit();
        std::ignore = protocol.answer(0, XaCode::ok);
        const auto sends = protocol.answer(kLast, code).sends;
        EXPECT_EQ(sends.front(), (Send{0, Verb::rollback}));
        for (const auto& send : sends) {
            std::ignore = protocol.answer(send.branch, XaCode::ok);
        }
        EXPECT_EQ(protocol.outcome(), Outcome::rolled_back) << to_string(code);
        EXPECT_EQ(protocol.ending(), CommitProtocol::Ending::leaves);
    }
}

// Trap 38.
TEST(CommitProtocol, LeavesAllInDoubtUntilTheRowTellsWhenTheLastResourceDoesNotAnswer) {
    CommitProtocol protocol{2, kLast};
    std::ignore = protocol.commit();
    std::ignore = protocol.answer(0, XaCode::ok);
    EXPECT_THAT(protocol.answer(kLast, XaCode::rmfail).sends, IsEmpty());
    EXPECT_TRUE(protocol.is_finished());
    EXPECT_EQ(protocol.outcome(), Outcome::unknown);
    EXPECT_EQ(protocol.ending(), CommitProtocol::Ending::waits_for_row);
    EXPECT_EQ(protocol.state(0), BranchState::prepared);
    EXPECT_EQ(protocol.state(kLast), BranchState::unknown);
}

TEST(CommitProtocol, NeedsNoRowWhenOnlyTheLastResourceHasWritten) {
    CommitProtocol protocol{2, kLast};
    std::ignore = protocol.commit();
    EXPECT_THAT(protocol.answer(0, XaCode::rdonly).sends,
                ElementsAre(Send{kLast, Verb::commit_one_phase}));
    EXPECT_TRUE(protocol.is_one_phase());
    std::ignore = protocol.answer(kLast, XaCode::ok);
    EXPECT_EQ(protocol.outcome(), Outcome::committed);
    EXPECT_FALSE(protocol.is_decision_logged());
}

TEST(CommitProtocol, ForcesADecisionWhenTheLastResourceWasNotUsed) {
    CommitProtocol protocol{3, kLast};
    protocol.vote(kLast, XaCode::rdonly);
    EXPECT_TRUE(protocol.may_force());
    std::ignore = protocol.commit();
    std::ignore = protocol.answer(0, XaCode::ok);
    EXPECT_TRUE(protocol.answer(2, XaCode::ok).force_decision);
}

// Trap 37.
TEST(CommitProtocol, SettlesTheLostAnswerOfAnOnlyBranchByItsRow) {
    CommitProtocol protocol{2};
    protocol.keep_row(1);
    protocol.vote(0, XaCode::rdonly);
    EXPECT_THAT(protocol.commit().sends, ElementsAre(Send{1, Verb::commit_with_decision}));
    EXPECT_THAT(protocol.answer(1, XaCode::rmfail).sends, IsEmpty());
    EXPECT_EQ(protocol.outcome(), Outcome::unknown);
    EXPECT_EQ(protocol.ending(), CommitProtocol::Ending::waits_for_row);
}

TEST(CommitProtocol, CommitsAnOnlyBranchWithItsRow) {
    CommitProtocol protocol{1};
    protocol.keep_row(0);
    EXPECT_THAT(protocol.commit().sends, ElementsAre(Send{0, Verb::commit_with_decision}));
    EXPECT_THAT(protocol.answer(0, XaCode::ok).sends, IsEmpty());
    EXPECT_TRUE(protocol.is_finished());
    EXPECT_EQ(protocol.outcome(), Outcome::committed);
    EXPECT_TRUE(protocol.is_decision_logged());
}

TEST(CommitProtocol, KeepsTheLawsForEveryAnswerOfALastResource) {
    for_each_choice(kVotes, 2, [&](const std::vector<XaCode>& votes) {
        for (const auto answer : kEveryCode) {
            for_each_choice(kCompletions, 2, [&](const std::vector<XaCode>& completions) {
                const Play play{
                    {votes[0], answer, votes[1]}, {completions[0], answer, completions[1]}, kLast};
                ASSERT_TRUE(play.protocol.is_finished());
                const bool has_committed = answer == XaCode::ok || answer == XaCode::rdonly;
                const bool is_asked = play.count(Verb::commit_with_decision) > 0;
                // Laws 1 and 2: the others commit behind its row, and are never rolled back then.
                EXPECT_TRUE(play.count(Verb::commit) == 0 || (is_asked && has_committed));
                EXPECT_TRUE(play.count(Verb::rollback) == 0 || !is_asked || !has_committed);
                // Nothing is decided while one votes no.
                EXPECT_EQ(is_asked, std::ranges::all_of(votes, is_yes) &&
                                        std::ranges::count(votes, XaCode::ok) > 0);
                EXPECT_EQ(play.forces, 0U);
                // Law 7: without its word nobody hears of an outcome.
                if (is_asked && (answer == XaCode::rmfail || is_heuristic(answer))) {
                    EXPECT_EQ(play.protocol.outcome(), Outcome::unknown);
                    EXPECT_EQ(play.count(Verb::commit) + play.count(Verb::rollback), 0U);
                }
            });
        }
    });
}

}  // namespace
}  // namespace xa_tm
