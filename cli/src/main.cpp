#include <cstdio>
#include <exception>
#include <string_view>
#include <variant>

#include <boost/log/core.hpp>
#include <fmt/format.h>

#include "command_line.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace {

using namespace xa_tm::cli;

int fail(int exit_code, std::string_view why) {
    fmt::print(stderr, "xa-recover: {}\n", why);
    return exit_code;
}

int exit_code_of(const xa_tm::Error& error) {
    const bool is_configuration = error.code() == xa_tm::ErrorCode::invalid_configuration ||
                                  error.code() == xa_tm::ErrorCode::log_foreign_node;
    return is_configuration ? kUsage : kUnreadable;
}

int exit_code_of(const xa_tm::recovery_log::LogError& error) {
    return error.code() == xa_tm::recovery_log::LogErrorCode::foreign_node ? kUsage : kUnreadable;
}

}  // namespace

int main(int argc, char** argv) {
    // Whatever the library would log is in the report, and standard output is the report's.
    boost::log::core::get()->set_logging_enabled(false);
    try {
        const auto parsed = CommandLine{}.parse(argc, argv);
        if (const auto* information = std::get_if<Information>(&parsed)) {
            fmt::print("{}", information->text);
            return kNothingInDoubt;
        }
        return std::get<Invocation>(parsed).run();
    } catch (const ConfigurationError& error) {
        return fail(kUsage, error.what());
    } catch (const xa_tm::Error& error) {
        return fail(exit_code_of(error), error.what());
    } catch (const xa_tm::recovery_log::LogError& error) {
        return fail(exit_code_of(error), error.what());
    } catch (const std::exception& error) {
        return fail(kUnreadable, error.what());
    }
}
