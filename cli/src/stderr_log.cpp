#include "stderr_log.h"

#include <cstdio>
#include <cstdlib>

#include <boost/log/attributes/value_extraction.hpp>
#include <boost/log/core.hpp>
#include <boost/log/expressions/message.hpp>
#include <boost/log/sinks/basic_sink_backend.hpp>
#include <boost/log/sinks/sync_frontend.hpp>
#include <boost/log/sources/record_ostream.hpp>
#include <boost/log/sources/severity_channel_logger.hpp>
#include <boost/log/trivial.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "json_document.h"
#include "text.h"

namespace xa_tm::cli {
namespace {

namespace blog = boost::log;
using Severity = blog::trivial::severity_level;

/// The levels of syslog(3), as sd-daemon(3) wants them in front of a line.
int syslog_level_of(std::string_view level) {
    if (level == "fatal") {
        return 2;
    }
    if (level == "error") {
        return 3;
    }
    return level == "warning" ? 4 : 6;
}

class StderrBackend final
    : public blog::sinks::basic_sink_backend<blog::sinks::synchronized_feeding> {
public:
    explicit StderrBackend(LogFormat format) : format_{format} {}

    void consume(const blog::record_view& record) const {
        const auto severity =
            blog::extract_or_default<Severity>("Severity", record, Severity::info);
        const auto channel =
            blog::extract_or_default<std::string>("Channel", record, std::string{});
        const auto message =
            blog::extract_or_default<std::string>("Message", record, std::string{});
        const auto line = rendered({.time = std::chrono::system_clock::now(),
                                    .level = blog::trivial::to_string(severity),
                                    .channel = channel,
                                    .message = message},
                                   format_);
        std::fwrite(line.data(), 1, line.size(), stderr);
    }

private:
    LogFormat format_;
};

void log(Severity severity, std::string_view message) {
    blog::sources::severity_channel_logger<Severity, std::string> logger{blog::keywords::channel =
                                                                             "xa-recover.watch"};
    BOOST_LOG_SEV(logger, severity) << message;
}

}  // namespace

LogFormat default_log_format() {
    // systemd.exec(5): the variable is inherited also where standard error leads elsewhere.
    const char* const journal = std::getenv("JOURNAL_STREAM");
    struct stat status {};
    const bool is_journal = journal != nullptr && ::fstat(STDERR_FILENO, &status) == 0 &&
                            journal == fmt::format("{}:{}", status.st_dev, status.st_ino);
    return is_journal ? LogFormat::journal : LogFormat::text;
}

std::string rendered(const LogLine& line, LogFormat format) {
    const auto time =
        fmt::format("{:%FT%TZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(line.time)));
    switch (format) {
        case LogFormat::text:
            return fmt::format("{} {} {}: {}\n", time, line.level, line.channel,
                               printable(line.message));
        case LogFormat::journal:
            return fmt::format("<{}>{}: {}\n", syslog_level_of(line.level), line.channel,
                               printable(line.message));
        case LogFormat::json:
            return json_line({{"time", time},
                              {"level", line.level},
                              {"channel", line.channel},
                              {"message", line.message}});
    }
    return {};
}

struct StderrLog::Sink {
    boost::shared_ptr<blog::sinks::synchronous_sink<StderrBackend>> frontend;
};

StderrLog::StderrLog(LogFormat format) : sink_{std::make_unique<Sink>()} {
    sink_->frontend = boost::make_shared<blog::sinks::synchronous_sink<StderrBackend>>(
        boost::make_shared<StderrBackend>(format));
    sink_->frontend->set_filter([](const blog::attribute_value_set& values) {
        return blog::extract_or_default<Severity>("Severity", values, Severity::info) >=
               Severity::info;
    });
    blog::core::get()->add_sink(sink_->frontend);
    blog::core::get()->set_logging_enabled(true);
}

StderrLog::~StderrLog() {
    blog::core::get()->set_logging_enabled(false);
    blog::core::get()->remove_sink(sink_->frontend);
}

void StderrLog::info(std::string_view message) const {
    log(Severity::info, message);
}

void StderrLog::error(std::string_view message) const {
    log(Severity::error, message);
}

}  // namespace xa_tm::cli
