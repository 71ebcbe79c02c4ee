#pragma once

#include <mutex>
#include <string>
#include <vector>

#include <boost/log/core.hpp>
#include <boost/log/expressions/message.hpp>
#include <boost/log/sinks/basic_sink_backend.hpp>
#include <boost/log/sinks/sync_frontend.hpp>

namespace xa_tm::test {

/// Keeps what is logged while it lives.
///
/// Ownership: registers itself with Boost.Log's core.
/// Thread safety: texts() may be called while other threads log.
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

}  // namespace xa_tm::test
