#include "log_keeper.h"

#include <mutex>
#include <string>
#include <vector>

#include <boost/log/core.hpp>
#include <boost/log/expressions/message.hpp>
#include <boost/log/sinks/basic_sink_backend.hpp>
#include <boost/log/sinks/sync_frontend.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventually.h"
#include "scripted_log.h"

namespace xa_tm::test {
namespace {

using recovery_log::Health;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Keeps what is logged while it lives.
class Messages {
public:
    Messages() {
        boost::log::core::get()->set_logging_enabled(true);
        boost::log::core::get()->add_sink(sink_);
    }
    ~Messages() {
        boost::log::core::get()->remove_sink(sink_);
        boost::log::core::get()->set_logging_enabled(false);
    }
    Messages(const Messages&) = delete;
    Messages& operator=(const Messages&) = delete;

    [[nodiscard]] std::vector<std::string> texts() { return backend_->texts(); }

private:
    class Backend
        : public boost::log::sinks::basic_sink_backend<boost::log::sinks::combine_requirements<
              boost::log::sinks::synchronized_feeding>::type> {
    public:
        void consume(const boost::log::record_view& record) {
            const std::lock_guard guard{mutex_};
            texts_.push_back(*record[boost::log::expressions::smessage]);
        }
        std::vector<std::string> texts() {
            const std::lock_guard guard{mutex_};
            return texts_;
        }

    private:
        std::mutex mutex_;
        std::vector<std::string> texts_;
    };

    boost::shared_ptr<Backend> backend_ = boost::make_shared<Backend>();
    boost::shared_ptr<boost::log::sinks::synchronous_sink<Backend>> sink_ =
        boost::make_shared<boost::log::sinks::synchronous_sink<Backend>>(backend_);
};

TEST(LogKeeper, MaintainsTheLogAgainAndAgain) {
    ScriptedLog log;
    const LogKeeper keeper{log};
    EXPECT_TRUE(eventually([&] { return log.maintained >= 3; }));
}

TEST(LogKeeper, SaysOnceWhatHasBecomeOfTheLogAndWhatHappensNext) {
    ScriptedLog log;
    Messages messages;
    const LogKeeper keeper{log};
    const auto pass_twice = [&] {
        const int before = log.maintained;
        ASSERT_TRUE(eventually([&] { return log.maintained >= before + 3; }));
    };
    pass_twice();
    EXPECT_THAT(messages.texts(), IsEmpty());
    for (const auto health : {Health::full, Health::healthy, Health::poisoned}) {
        log.health = health;
        pass_twice();
    }
    EXPECT_THAT(messages.texts(), ElementsAre(HasSubstr("full; no transaction begins until space"),
                                              HasSubstr("transactions begin again"),
                                              HasSubstr("failed; no transaction begins until")));
}

}  // namespace
}  // namespace xa_tm::test
