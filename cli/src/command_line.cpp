#include "command_line.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace xa_tm::cli {
namespace {

constexpr auto kAbout = R"(Shows and finishes the global transactions that an outage left in doubt.

It reads the recovery log of one transaction manager and asks every resource what
it holds prepared. It acts only in `resolve`, only on branches of that log, and
only when no process owns the log; beside a running application it just shows.)";

constexpr auto kMainFooter = R"(Configuration file (TOML):
  node = "shop-1"            # optional; the log must have been made for it
  log = "/var/lib/shop/xa"   # a relative path starts at this file's folder
  [resources]
  users = "postgresql:///users?host=/run/postgresql"
  points = "mysql://shop@localhost/points?socket=/run/mysqld/mysqld.sock"

Passwords: other users of this machine can read a command line. Put a URI with a
password in a configuration file that only you can read, or, for PostgreSQL,
leave it out and use ~/.pgpass or PGPASSWORD.

Exit codes:
  0  nothing is left in doubt
  1  something is left in doubt; foreign and live transactions don't count
  2  wrong usage or configuration, or the log is another node's; nothing was changed
  3  the log or a resource could not be read, so more may be in doubt

Examples:
  xa-recover list --config /etc/shop/xa.toml
  xa-recover show shop-1:91b52e0c7a14d3f8:7:42 --config /etc/shop/xa.toml
  xa-recover resolve --dry-run --config /etc/shop/xa.toml
  xa-recover resolve --config /etc/shop/xa.toml)";

constexpr auto kListFooter = R"(Examples:
  xa-recover list --config /etc/shop/xa.toml
  xa-recover list --log /var/lib/shop/xa --resource users=postgresql:///users \
                  --resource points=mysql://shop@localhost/points
  xa-recover list --config /etc/shop/xa.toml --json)";

constexpr auto kShowFooter =
    R"(Exit code 2 when the log and every resource could be read and none knows GTRID:
it has finished, or it was never here.

Examples:
  xa-recover show shop-1:91b52e0c7a14d3f8:7:42 --config /etc/shop/xa.toml)";

constexpr auto kResolveFooter =
    R"(Takes the log of a process that has died, commits what that process had decided
to commit, and rolls back what it can no longer decide. May be repeated, and
killed at any moment. It does nothing beside the log's live owner, which finishes
everything by itself, nor when the log names a resource that is not given here.

Examples:
  xa-recover resolve --dry-run --config /etc/shop/xa.toml
  xa-recover resolve --config /etc/shop/xa.toml --timeout 60)";

constexpr unsigned kTimeoutMaxSeconds = 86400;

struct Parsed {
    CommandLine line;
    std::string config_file;
    std::string log;
    std::vector<std::string> resources;
    unsigned timeout_s = 10;
};

CLI::App& add_command(CLI::App& app, Parsed& parsed, std::string name, std::string about,
                      std::string footer) {
    auto& command = *app.add_subcommand(std::move(name), std::move(about));
    command.footer(std::move(footer));
    command.add_option("--config", parsed.config_file, "Configuration file (TOML)")
        ->type_name("FILE");
    command.add_option("--log", parsed.log, "Folder of the recovery log; replaces the file's")
        ->type_name("DIR");
    command
        .add_option("--resource", parsed.resources,
                    "A database, under the name that the application\n"
                    "gives it; repeatable; adds to the file's, or\n"
                    "replaces the one of that name")
        ->type_name("NAME=URI")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command
        .add_option("--timeout", parsed.timeout_s,
                    "How long one answer of a server may take, and\n"
                    "how long resolve keeps trying; default 10")
        ->type_name("SECONDS");
    command.add_flag("--json", parsed.line.is_json, "JSON for programs instead of text");
    return command;
}

/// Quotes nothing but the name of an option: what else was not expected may be a URI.
ConfigurationError unexpected(const CLI::App& app) {
    for (const auto& argument : app.remaining(true)) {
        if (argument.starts_with('-')) {
            return ConfigurationError{
                fmt::format("unknown option {} (options stand after the command); see "
                            "`xa-recover --help`",
                            argument.substr(0, argument.find('=')))};
        }
    }
    return ConfigurationError{
        "an argument belongs to no option; a resource is given as --resource NAME=URI, see "
        "`xa-recover --help`"};
}

}  // namespace

std::variant<CommandLine, Information> parse_command_line(int argc, const char* const* argv) {
    Parsed parsed;
    CLI::App app{kAbout, "xa-recover"};
    app.footer(kMainFooter);
    app.set_version_flag("--version", "xa-recover " XA_RECOVER_VERSION);
    app.require_subcommand(1);
    app.get_formatter()->column_width(24);
    app.get_formatter()->label("SUBCOMMAND", "COMMAND");
    app.get_formatter()->label("Subcommands", "Commands");
    const auto& list = add_command(app, parsed, "list", "Show everything in doubt", kListFooter);
    auto& show = add_command(app, parsed, "show", "Show one transaction in detail", kShowFooter);
    show.add_option("GTRID", parsed.line.gtrid, "The transaction, as `list` names it")->required();
    auto& resolve = add_command(app, parsed, "resolve", "Finish what is in doubt", kResolveFooter);
    resolve.add_flag("--dry-run", parsed.line.is_dry_run, "Only show what would be done");
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        return Information{app.help()};
    } catch (const CLI::CallForVersion&) {
        return Information{app.version() + "\n"};
    } catch (const CLI::ExtrasError&) {
        throw unexpected(app);
    } catch (const CLI::ParseError& error) {
        if (app.get_subcommands().empty()) {
            throw ConfigurationError{
                "give a command: list, show or resolve; see `xa-recover --help`"};
        }
        throw ConfigurationError{fmt::format("{}; see `xa-recover {} --help`", error.what(),
                                             app.get_subcommands().front()->get_name())};
    }
    if (parsed.timeout_s == 0 || parsed.timeout_s > kTimeoutMaxSeconds) {
        throw ConfigurationError{
            fmt::format("--timeout wants 1 to {} seconds", kTimeoutMaxSeconds)};
    }
    auto& line = parsed.line;
    line.command = list.parsed() ? Command::list : show.parsed() ? Command::show : Command::resolve;
    if (!parsed.config_file.empty()) {
        line.config_file = parsed.config_file;
    }
    if (!parsed.log.empty()) {
        line.log = parsed.log;
    }
    for (const auto& resource : parsed.resources) {
        line.resources.push_back(parse_resource(resource));
    }
    line.timeout = std::chrono::seconds{parsed.timeout_s};
    return line;
}

}  // namespace xa_tm::cli
