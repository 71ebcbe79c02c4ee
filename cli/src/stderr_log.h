#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace xa_tm::cli {

enum class LogFormat {
    text,     ///< TIME LEVEL CHANNEL: MESSAGE
    journal,  ///< the same without the time, which the journal adds, and with sd-daemon(3)'s level
    json,     ///< an object a line
};

/// Journal when the service manager reads standard error, else text.
[[nodiscard]] LogFormat default_log_format();

struct LogLine {
    std::chrono::system_clock::time_point time;
    /// As Boost.Log names it.
    std::string_view level;
    std::string_view channel;
    std::string_view message;
};

/// One line with its end; pure.
[[nodiscard]] std::string rendered(const LogLine& line, LogFormat format);

/// While it lives, everything from level info on that the library logs goes to standard error, one
/// line each.
///
/// Ownership: of the process' one Boost.Log core, which nobody else uses meanwhile.
/// Thread safety: info() and error() may be called from several threads at once.
class StderrLog {
public:
    explicit StderrLog(LogFormat format);
    StderrLog(const StderrLog&) = delete;
    StderrLog& operator=(const StderrLog&) = delete;
    ~StderrLog();

    /// What the program itself has to say.
    void info(std::string_view message) const;
    void error(std::string_view message) const;

private:
    struct Sink;
    std::unique_ptr<Sink> sink_;
};

}  // namespace xa_tm::cli
