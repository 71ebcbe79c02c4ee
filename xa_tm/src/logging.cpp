#include "logging.h"

#include <string>

#include <boost/log/attributes/attribute_value_impl.hpp>
#include <boost/log/keywords/channel.hpp>
#include <boost/log/keywords/severity.hpp>
#include <boost/log/sources/record_ostream.hpp>
#include <boost/log/sources/severity_channel_logger.hpp>
#include <boost/log/trivial.hpp>

namespace xa_tm {
namespace {

namespace blog = boost::log;
using Severity = blog::trivial::severity_level;
using Logger = blog::sources::severity_channel_logger_mt<Severity, std::string>;

Logger& logger_of(LogChannel channel) {
    static Logger coordinator{blog::keywords::channel = "xa_tm.coordinator"};
    static Logger recovery{blog::keywords::channel = "xa_tm.recovery"};
    static Logger log{blog::keywords::channel = "xa_tm.log"};
    switch (channel) {
        case LogChannel::coordinator: return coordinator;
        case LogChannel::recovery: return recovery;
        case LogChannel::log: return log;
    }
    return log;
}

Severity severity_of(LogLevel level) {
    switch (level) {
        case LogLevel::debug: return Severity::debug;
        case LogLevel::info: return Severity::info;
        case LogLevel::warning: return Severity::warning;
        case LogLevel::error: return Severity::error;
        case LogLevel::fatal: return Severity::fatal;
    }
    return Severity::fatal;
}

void add(blog::record& record, const char* name, std::string_view value) {
    if (!value.empty()) {
        record.attribute_values().insert(
            name, blog::attributes::make_attribute_value(std::string{value}));
    }
}

}  // namespace

void log_message(LogChannel channel, LogLevel level, std::string_view sentence,
                 const LogAttributes& attributes) noexcept try {
    auto& logger = logger_of(channel);
    auto record = logger.open_record(blog::keywords::severity = severity_of(level));
    if (!record) {
        return;
    }
    add(record, "Gtrid", attributes.gtrid);
    add(record, "Resource", attributes.resource);
    add(record, "XaCode", attributes.code ? to_string(*attributes.code) : std::string_view{});
    add(record, "Detail", attributes.detail);
    blog::record_ostream stream{record};
    stream << sentence;
    for (const auto value : {attributes.resource, attributes.gtrid, attributes.detail}) {
        if (!value.empty()) {
            stream << " [" << value << ']';
        }
    }
    stream.flush();
    logger.push_record(std::move(record));
} catch (...) {
    // A sink of the host that throws (a full disk, say) must not keep a transaction from its end.
}

}  // namespace xa_tm
