#include "logging.h"

#include <boost/log/keywords/channel.hpp>

namespace xa_tm {

Logger& coordinator_logger() {
    static Logger logger{boost::log::keywords::channel = "xa_tm.coordinator"};
    return logger;
}

Logger& recovery_logger() {
    static Logger logger{boost::log::keywords::channel = "xa_tm.recovery"};
    return logger;
}

}  // namespace xa_tm
