#include <cstdio>
#include <exception>
#include <string_view>
#include <utility>
#include <variant>

#include <boost/log/core.hpp>
#include <fmt/format.h>

#include "command_line.h"
#include "commands.h"
#include "exit_code.h"
#include "log_commands.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace {

using namespace xa_tm::cli;

int run(const CommandLine& line) {
    auto file = line.config_file ? read_configuration(*line.config_file) : Configuration{};
    const auto servers = [&] {
        return Request{.configuration = combine(std::move(file), line.log, line.resources),
                       .timeout = line.timeout,
                       .is_json = line.is_json};
    };
    const auto resources = [&] {
        return Request{.configuration = combine_resources(std::move(file), line.resources),
                       .timeout = line.timeout,
                       .is_json = line.is_json};
    };
    const auto log = [&] {
        const auto configuration = combine_log(std::move(file), line.log);
        return LogRequest{
            .directory = configuration.log, .node = configuration.node, .is_json = line.is_json};
    };
    switch (line.command) {
        case Command::list: return list(servers());
        case Command::show: return show(servers(), line.gtrid);
        case Command::resolve: return resolve(servers(), line.is_dry_run);
        case Command::describe: return describe(resources());
        case Command::log_list: return log_list(log());
        case Command::log_show: return log_show(log(), line.gtrid);
        case Command::log_verify: return log_verify(log());
        case Command::log_tail: return log_tail(log(), line.record_count, line.follows);
        case Command::log_inspect: return log_inspect(log(), line.segment, line.has_pages);
        case Command::log_repair: return log_repair(log(), line.mirror, line.accepts_loss);
    }
    return kUsage;
}

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
        const auto parsed = parse_command_line(argc, argv);
        if (const auto* information = std::get_if<Information>(&parsed)) {
            fmt::print("{}", information->text);
            return kNothingInDoubt;
        }
        return run(std::get<CommandLine>(parsed));
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
