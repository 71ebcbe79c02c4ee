#pragma once

#include <string_view>

#include <boost/log/attributes/constant.hpp>
#include <boost/log/sources/record_ostream.hpp>
#include <boost/log/sources/severity_channel_logger.hpp>
#include <boost/log/trivial.hpp>
#include <boost/log/utility/manipulators/add_value.hpp>

#include "xa_tm/xa_code.h"

namespace xa_tm {

using Severity = boost::log::trivial::severity_level;
using Logger = boost::log::sources::severity_channel_logger_mt<Severity, std::string>;

/// One logger a part; the host application owns sinks and filters.
[[nodiscard]] Logger& coordinator_logger();
[[nodiscard]] Logger& recovery_logger();

/// The attributes of a message: what varies, so that the sentence itself stays constant.
inline auto gtrid_attribute(std::string_view gtrid) {
    return boost::log::add_value("Gtrid", std::string{gtrid});
}
inline auto resource_attribute(std::string_view resource) {
    return boost::log::add_value("Resource", std::string{resource});
}
inline auto code_attribute(XaCode code) {
    return boost::log::add_value("XaCode", std::string{to_string(code)});
}

}  // namespace xa_tm
