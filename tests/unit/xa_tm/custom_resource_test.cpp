#include "xa_tm/custom_resource.h"

#include <stdexcept>

#include <poll.h>

#include "manager_fixture.h"
#include "memory_store.h"
#include "undone.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

using Memory = CustomDatasource<MemoryStore>;

Answer ask(Connection& connection, const Request& request) {
    connection.send({request});
    return connection.receive().value();
}

/// The callback throws each time that it is called, until the hook is taken away.
void fail(Memory& datasource, std::string_view callback) {
    datasource.resource().on_callback([callback](std::string_view name) {
        if (name == callback) {
            throw std::runtime_error("the medium\n  is full");
        }
    });
}

auto is_answered(XaCode code, const char* words) {
    return AllOf(Field(&Answer::code, code), Field(&Answer::message, HasSubstr(words)));
}

constexpr auto kWords = "the medium; is full";

class CustomResourceVerbs : public testing::Test {
protected:
    Answer ask(Verb verb) { return test::ask(*connection_, {.verb = verb, .xid = xid_}); }

    /// A branch that has written a row.
    void work() {
        ASSERT_EQ(ask(Verb::start).code, XaCode::ok);
        Memory::work_of(*connection_).write("row");
    }
    void prepare() {
        work();
        ASSERT_EQ(ask(Verb::prepare).code, XaCode::ok);
    }

    const Xid xid_{.gtrid = "g", .bqual = "b"};
    std::shared_ptr<MemoryStore::Data> data_ = std::make_shared<MemoryStore::Data>();
    Memory memory_{"memory", std::make_unique<MemoryStore>(data_)};
    std::unique_ptr<Connection> connection_ = memory_.connect({});
};

TEST_F(CustomResourceVerbs, AreAnsweredOnceTheyAreSentAndThePollReturnsAtOnce) {
    connection_->send(Verb::start, xid_);
    const auto readiness = connection_->readiness();
    pollfd waiting{readiness.descriptor, POLLIN, 0};
    EXPECT_EQ(::poll(&waiting, 1, 0), 1);
    EXPECT_EQ(connection_->receive().value().code, XaCode::ok);
}

TEST_F(CustomResourceVerbs, FinishABranchThatWroteNothingWithItsVote) {
    EXPECT_EQ(ask(Verb::start).code, XaCode::ok);
    EXPECT_EQ(ask(Verb::prepare).code, XaCode::rdonly);
    EXPECT_THAT(data_->prepared, IsEmpty());
    EXPECT_TRUE(connection_->is_reusable());
}

TEST_F(CustomResourceVerbs, CommitABranchThatWroteNothingInOnePhase) {
    EXPECT_EQ(ask(Verb::start).code, XaCode::ok);
    EXPECT_EQ(ask(Verb::commit_one_phase).code, XaCode::ok);
    EXPECT_TRUE(connection_->is_reusable());
}

TEST_F(CustomResourceVerbs, VoteToRollBackWhenPrepareThrows) {
    work();
    fail(memory_, "prepare");
    EXPECT_THAT(ask(Verb::prepare), is_answered(XaCode::rbother, kWords));
    EXPECT_TRUE(connection_->is_reusable());
    EXPECT_THAT(data_->prepared, IsEmpty());
}

TEST_F(CustomResourceVerbs, RollBackInOnePhaseWhenPrepareThrows) {
    work();
    fail(memory_, "prepare");
    EXPECT_THAT(ask(Verb::commit_one_phase), is_answered(XaCode::rbother, kWords));
    EXPECT_TRUE(connection_->is_reusable());
    EXPECT_THAT(data_->rows, IsEmpty());
}

TEST_F(CustomResourceVerbs, DoNotKnowWhatBecameOfABranchWhoseOnePhaseCommitThrows) {
    work();
    fail(memory_, "commit");
    EXPECT_THAT(ask(Verb::commit_one_phase), is_answered(XaCode::rmfail, kWords));
    EXPECT_FALSE(connection_->is_reusable());
}

TEST_F(CustomResourceVerbs, DoNotKnowWhatBecameOfABranchThatSomebodyElseFinishesInOnePhase) {
    work();
    memory_.resource().on_callback([this](std::string_view name) {
        if (name == "commit") {
            data_->prepared.clear();
        }
    });
    EXPECT_THAT(ask(Verb::commit_one_phase), is_answered(XaCode::rmfail, "somebody else"));
}

TEST_F(CustomResourceVerbs, RefuseABranchWhenStartThrows) {
    fail(memory_, "start");
    EXPECT_THAT(ask(Verb::start), is_answered(XaCode::rmerr, kWords));
    EXPECT_FALSE(connection_->is_open_to_application());
    EXPECT_TRUE(connection_->is_reusable());
}

TEST_F(CustomResourceVerbs, CloseTheSessionWhenFinishingThrowsAndAnotherOneFinishes) {
    prepare();
    for (const auto verb : {Verb::commit, Verb::rollback}) {
        fail(memory_, to_string(verb));
        EXPECT_THAT(ask(verb), is_answered(XaCode::rmfail, kWords));
        EXPECT_FALSE(connection_->is_reusable());
        memory_.resource().on_callback({});
        connection_ = memory_.connect({});
    }
    EXPECT_EQ(ask(Verb::commit).code, XaCode::ok);
    EXPECT_THAT(data_->rows, ElementsAre("row"));
}

TEST_F(CustomResourceVerbs, GiveNoListWhenRecoverThrows) {
    prepare();
    fail(memory_, "recover");
    for (const auto verb : {Verb::recover, Verb::locate, Verb::examine}) {
        EXPECT_THAT(ask(verb), is_answered(XaCode::rmerr, kWords)) << to_string(verb);
    }
    EXPECT_TRUE(connection_->is_reusable());
}

TEST_F(CustomResourceVerbs, CatchWhatIsNoStdException) {
    memory_.resource().on_callback([](std::string_view) { throw 1; });
    EXPECT_THAT(ask(Verb::start), is_answered(XaCode::rmerr, "no std::exception"));
}

TEST_F(CustomResourceVerbs, RefuseAVerbThatIsNotTheirs) {
    EXPECT_THAT(ask(static_cast<Verb>(1000)), is_answered(XaCode::inval, "no such verb"));
    const auto listed =
        test::ask(*connection_, {.verb = Verb::list_decisions, .log = "0123456789abcdef"});
    EXPECT_THAT(listed, is_answered(XaCode::inval, "can't be a last resource"));
    EXPECT_TRUE(connection_->is_reusable());
}

TEST_F(CustomResourceVerbs, TellThatABranchHoldsWhatTheResourceDoesNotTell) {
    prepare();
    const auto answer = ask(Verb::examine);
    EXPECT_EQ(answer.code, XaCode::ok);
    EXPECT_THAT(answer.holdings.caveat, HasSubstr("does not tell"));
}

TEST_F(CustomResourceVerbs, UndoWhatIsOpenWhenTheSessionIsClosed) {
    work();
    connection_->close();
    EXPECT_THAT(error_of([&] { std::ignore = Memory::work_of(*connection_); }),
                HasCode(ErrorCode::invalid_state));
    EXPECT_EQ(ask(Verb::prepare).code, XaCode::rmfail);
    EXPECT_THAT(data_->prepared, IsEmpty());
}

/// A resource that takes no statements, and whose start() breaks its promise.
class Careless final : public CustomResource {
public:
    class Work final : public CustomWork {
        [[nodiscard]] Vote prepare() override { return Vote::read_only; }
    };

    explicit Careless(bool gives_work) : gives_work_{gives_work} {}

    [[nodiscard]] std::string identity() const override { return "careless"; }
    [[nodiscard]] std::unique_ptr<CustomWork> start(const Xid&) override {
        return gives_work_ ? std::make_unique<Work>() : nullptr;
    }
    [[nodiscard]] bool commit(const Xid&) override { return false; }
    [[nodiscard]] bool rollback(const Xid&) override { return false; }
    [[nodiscard]] std::vector<Xid> recover() override { return {}; }

private:
    bool gives_work_;
};

TEST_F(CustomResourceVerbs, RefuseStatementsOfAResourceThatTakesNone) {
    CustomDatasource<Careless> careless{"careless", std::make_unique<Careless>(true)};
    connection_ = careless.connect({});
    EXPECT_EQ(ask(Verb::start).code, XaCode::ok);
    EXPECT_THAT(ask(Verb::execute), is_answered(XaCode::rmerr, "takes no statements"));
    EXPECT_TRUE(connection_->is_open_to_application());
    EXPECT_EQ(ask(Verb::rollback).code, XaCode::ok);
}

TEST_F(CustomResourceVerbs, RefuseABranchWithoutWork) {
    CustomDatasource<Careless> careless{"careless", std::make_unique<Careless>(false)};
    connection_ = careless.connect({});
    EXPECT_THAT(ask(Verb::start), is_answered(XaCode::rmerr, "gave no work"));
    EXPECT_TRUE(connection_->is_reusable());
}

TEST(ACustomDatasource, CanNotBeReachedWhenItsIdentityThrows) {
    Memory memory{"memory", std::make_unique<MemoryStore>()};
    fail(memory, "identity");
    const auto error = error_of([&] { std::ignore = memory.connect({}); });
    EXPECT_THAT(error, HasCode(ErrorCode::resource_unreachable));
    EXPECT_THAT(error.what(), HasSubstr(kWords));
}

TEST(ACustomDatasource, NeedsAResource) {
    EXPECT_THAT(error_of([] {
                    Memory{"memory", nullptr};
                }),
                HasCode(ErrorCode::invalid_configuration));
}

TEST(ACustomDatasource, CanNotBeTheLastResource) {
    EXPECT_THAT(error_of([] {
                    Memory{"memory", std::make_unique<MemoryStore>(), {.is_last_resource = true}};
                }),
                HasCode(ErrorCode::invalid_configuration));
}

/// A custom resource beside a fake server.
class ResourceOfOnesOwn : public ManagerFixture {
protected:
    struct Shop {
        explicit Shop(ResourceOfOnesOwn& fixture)
            : tm{fixture.config()},
              users{tm.add<FakeLink>("users", fixture.users_, fixture.options_)},
              memory{tm.add<Memory>("memory", std::make_unique<MemoryStore>(fixture.data_))} {
            tm.start();
        }

        TransactionManager tm;
        FakeLink& users;
        Memory& memory;
    };

    ResourceOfOnesOwn() : shop_{std::make_unique<Shop>(*this)} {}

    /// Another process opens the same data.
    void restart() {
        shop_.reset();
        shop_ = std::make_unique<Shop>(*this);
    }

    [[nodiscard]] CommitReport write_both() {
        auto tx = shop_->tm.begin();
        auto [users, memory] = tx.enlist(shop_->users, shop_->memory);
        users.write("ada");
        memory->write("ada");
        return tx.commit();
    }

    [[nodiscard]] bool nothing_is_prepared() {
        const std::lock_guard lock{data_->mutex};
        return data_->prepared.empty();
    }

    std::shared_ptr<MemoryStore::Data> data_ = std::make_shared<MemoryStore::Data>();
    std::unique_ptr<Shop> shop_;
};

TEST_F(ResourceOfOnesOwn, CommitsTogetherWithAServer) {
    EXPECT_EQ(write_both().outcome(), Outcome::committed);
    EXPECT_TRUE(users_.has_row("ada"));
    EXPECT_TRUE(shop_->memory.resource().has_row("ada"));
}

TEST_F(ResourceOfOnesOwn, CommitsAlone) {
    auto tx = shop_->tm.begin();
    tx.enlist(shop_->memory)->write("ada");
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_TRUE(shop_->memory.resource().has_row("ada"));
}

TEST_F(ResourceOfOnesOwn, TakesStatementsLikeAServer) {
    auto tx = shop_->tm.begin();
    const auto memory = tx.enlist(shop_->memory);
    EXPECT_EQ(memory.execute("ada"), 1U);
    EXPECT_THAT(error_of([&] { memory.execute("fail"); }), HasCode(ErrorCode::statement_failed));
    memory.execute_last("bob");
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_TRUE(shop_->memory.resource().has_row("ada"));
    EXPECT_TRUE(shop_->memory.resource().has_row("bob"));
}

TEST_F(ResourceOfOnesOwn, TellsWhyItRefusesABranch) {
    fail(shop_->memory, "start");
    auto tx = shop_->tm.begin();
    const auto memory = tx.enlist(shop_->memory);
    const auto error = error_of([&] { memory->write("ada"); });
    EXPECT_THAT(error, HasCode(ErrorCode::resource_refused));
    EXPECT_THAT(error.what(), HasSubstr(kWords));
}

TEST_F(ResourceOfOnesOwn, RollsBackEverywhereWhenItsPrepareThrows) {
    fail(shop_->memory, "prepare");
    const auto report = write_both();
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_THAT(to_string(report), HasSubstr(kWords));
    EXPECT_FALSE(users_.has_row("ada"));
}

TEST_F(ResourceOfOnesOwn, IsAskedToCommitAgainInTheBackgroundWhenThatThrew) {
    shop_->memory.resource().on_callback([is_first = true](std::string_view name) mutable {
        if (name == "commit" && std::exchange(is_first, false)) {
            throw std::runtime_error("not now");
        }
    });
    EXPECT_EQ(write_both().outcome(), Outcome::committed);
    EXPECT_TRUE(eventually([&] { return shop_->memory.resource().has_row("ada"); }));
}

TEST_F(ResourceOfOnesOwn, IsRolledBackInTheBackgroundWhenItsOnePhaseCommitThrew) {
    fail(shop_->memory, "commit");
    auto tx = shop_->tm.begin();
    tx.enlist(shop_->memory)->write("ada");
    const auto report = tx.commit();
    EXPECT_EQ(report.outcome(), Outcome::unknown);
    EXPECT_TRUE(eventually([&] { return nothing_is_prepared(); }));
    EXPECT_FALSE(shop_->memory.resource().has_row("ada"));
}

TEST_F(ResourceOfOnesOwn, IsCommittedByTheNextProcessWhenThatWasDecided) {
    fail(shop_->memory, "commit");
    EXPECT_EQ(write_both().outcome(), Outcome::committed);
    restart();
    EXPECT_TRUE(eventually([&] { return shop_->memory.resource().has_row("ada"); }));
    EXPECT_TRUE(nothing_is_prepared());
    EXPECT_TRUE(eventually([&] { return count_undone(shop_->tm) == 0; }));
}

TEST_F(ResourceOfOnesOwn, IsRolledBackByTheNextProcessWhenNothingWasDecided) {
    users_.answer_next(Verb::prepare, XaCode::rbintegrity);
    fail(shop_->memory, "rollback");
    EXPECT_EQ(write_both().outcome(), Outcome::rolled_back);
    EXPECT_FALSE(nothing_is_prepared());
    restart();
    EXPECT_TRUE(eventually([&] { return nothing_is_prepared(); }));
    EXPECT_FALSE(shop_->memory.resource().has_row("ada"));
}

}  // namespace
}  // namespace xa_tm::test
