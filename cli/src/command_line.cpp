#include "command_line.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace xa_tm::cli {
namespace {

constexpr auto kAbout = R"(Shows and finishes the global transactions that an outage left in doubt.

It reads the recovery log of one transaction manager and asks every resource what
it holds prepared. It acts only in `resolve`, only on branches of that log, and
only when no process owns the log; beside a running application it just shows.
The commands of `log` look into the log itself and ask nobody.)";

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
  xa-recover resolve --config /etc/shop/xa.toml
  xa-recover log verify /var/lib/shop/xa)";

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

constexpr auto kDescribeFooter =
    R"(Connects to each resource, asks what it is and how it is set, and says what that
means for global transactions. Needs no log, and changes nothing.

Exit code 3 when a resource could not be asked.

Examples:
  xa-recover describe --config /etc/shop/xa.toml
  xa-recover describe --resource users=postgresql:///users --json)";

constexpr auto kResolveFooter =
    R"(Takes the log of a process that has died, commits what that process had decided
to commit, and rolls back what it can no longer decide. May be repeated, and
killed at any moment. It does nothing beside the log's live owner, which finishes
everything by itself, nor when the log names a resource that is not given here.

Examples:
  xa-recover resolve --dry-run --config /etc/shop/xa.toml
  xa-recover resolve --config /etc/shop/xa.toml --timeout 60)";

constexpr auto kLogFooter =
    R"(These commands read the log's files and ask no server. All but `repair` take no
lock and change nothing, so they may run beside the application. DIR is the log's
folder; --log DIR or --config FILE give it as well.

Exit codes:
  0  done; warnings don't count
  2  wrong usage or configuration, no such entry, or the log is another node's
  3  the log is damaged, or can't be read

Examples:
  xa-recover log verify /var/lib/shop/xa
  xa-recover log tail --help)";

constexpr auto kLogListFooter =
    R"(Shows the decisions that are live: logged, and not yet known to be finished in
every branch. What the log's owner has written last may still be on its way to
the disk; such entries are marked. Exit code 3 when the log is damaged.

Examples:
  xa-recover log list /var/lib/shop/xa
  xa-recover log list --config /etc/shop/xa.toml --json)";

constexpr auto kLogShowFooter =
    R"(Shows entries in full: the branches, what proves their fate at their servers, and
where in the files they stand. Also finds forgotten ones that still stand there.
Exit code 2 when there is none, 3 when the log is damaged.

Examples:
  xa-recover log show 42 /var/lib/shop/xa
  xa-recover log show shop-1:91b52e0c7a14d3f8:7:42 --config /etc/shop/xa.toml)";

constexpr auto kLogVerifyFooter =
    R"(Reads every page of every copy and judges the log as its next opening would.
Exit code 0 when it is sound, also with warnings: a write that a crash cut off, or
a bad copy of a page whose other copy is good. Exit code 3 when it would not open.

Examples:
  xa-recover log verify /var/lib/shop/xa
  xa-recover log verify --config /etc/shop/xa.toml --json)";

constexpr auto kLogTailFooter =
    R"(One line a record: the number of its page, its type, its id, and what it says.
With --json one object a line. A new segment repeats what is live: "again". An owner
that fills several segments between two looks of --follow leaves gaps.
Exit code 3 when the log is damaged.

Examples:
  xa-recover log tail -n 50 /var/lib/shop/xa
  xa-recover log tail --follow --json /var/lib/shop/xa)";

constexpr auto kLogInspectFooter =
    R"(Shows the segments as they lie on disk, every page that is not as it was written,
and why an opening would refuse them. Exit code 3 when it would.

Examples:
  xa-recover log inspect /var/lib/shop/xa
  xa-recover log inspect --pages --segment decision-0000000007-0000000001.xlog \
                         /var/lib/shop/xa)";

constexpr auto kLogRepairFooter =
    R"(Alone it shows what a repair would end with, and changes nothing: exit code 3 when
the log is damaged. --from takes the pages that are bad here from a copy of the
folder, however old; it acts when nothing is lost then. --accept-loss goes on with
what is left, and puts the incarnations that may lack decisions in quarantine.
A repair takes the log's lock, writes what is intact into a new segment, leaves a
note, and keeps the old files as *.broken. It may be killed and repeated.

Examples:
  xa-recover log repair /var/lib/shop/xa
  xa-recover log repair --from /mnt/mirror/xa /var/lib/shop/xa
  xa-recover log repair --accept-loss /var/lib/shop/xa)";

constexpr unsigned kTimeoutMaxSeconds = 86400;

struct Parsed {
    CommandLine line;
    std::string config_file;
    std::string log;
    std::string directory;
    std::string mirror;
    std::vector<std::string> resources;
    unsigned timeout_s = 10;
};

/// With the options that every command has.
CLI::App& add_any_command(CLI::App& app, Parsed& parsed, std::string name, std::string about,
                          std::string footer) {
    auto& command = *app.add_subcommand(std::move(name), std::move(about));
    command.footer(std::move(footer));
    command.add_option("--config", parsed.config_file, "Configuration file (TOML)")
        ->type_name("FILE");
    command.add_option("--log", parsed.log, "Folder of the recovery log; replaces the file's")
        ->type_name("DIR");
    command.add_flag("--json", parsed.line.is_json, "JSON for programs instead of text");
    return command;
}

CLI::App& add_command(CLI::App& app, Parsed& parsed, std::string name, std::string about,
                      std::string footer) {
    auto& command =
        add_any_command(app, parsed, std::move(name), std::move(about), std::move(footer));
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
    return command;
}

void add_directory(CLI::App& command, Parsed& parsed) {
    command.add_option("DIR", parsed.directory, "Folder of the recovery log");
}

void add_log_commands(CLI::App& app, Parsed& parsed) {
    auto& log = *app.add_subcommand("log", "Look into the recovery log itself");
    log.footer(kLogFooter);
    log.require_subcommand(1);
    add_directory(add_any_command(log, parsed, "list", "Show the live decisions", kLogListFooter),
                  parsed);
    auto& show = add_any_command(log, parsed, "show", "Show entries in full", kLogShowFooter);
    show.add_option("ENTRY|GTRID", parsed.line.gtrid, "The id of an entry, or a transaction")
        ->required();
    add_directory(show, parsed);
    add_directory(
        add_any_command(log, parsed, "verify", "Read and check all of it", kLogVerifyFooter),
        parsed);
    auto& tail = add_any_command(log, parsed, "tail", "Show the last records", kLogTailFooter);
    tail.add_option("-n,--lines", parsed.line.record_count, "How many; default 10")->type_name("N");
    tail.add_flag("-f,--follow", parsed.line.follows,
                  "Go on with those that come, until\ninterrupted");
    add_directory(tail, parsed);
    auto& inspect =
        add_any_command(log, parsed, "inspect", "Show its files and pages", kLogInspectFooter);
    inspect.add_option("--segment", parsed.line.segment, "Only this segment")->type_name("FILE");
    inspect.add_flag("--pages", parsed.line.has_pages, "Every page with its records");
    add_directory(inspect, parsed);
    auto& repair =
        add_any_command(log, parsed, "repair", "Make a damaged log open again", kLogRepairFooter);
    repair.add_option("--from", parsed.mirror, "A copy of the log's folder")->type_name("DIR2");
    repair.add_flag("--accept-loss", parsed.line.accepts_loss, "Go on without what is lost");
    add_directory(repair, parsed);
}

/// The words behind the program's name that chose the command, such as "log verify".
std::string command_name(const CLI::App& app) {
    std::string name;
    for (auto chosen = app.get_subcommands(); !chosen.empty();
         chosen = chosen.front()->get_subcommands()) {
        name += (name.empty() ? "" : " ") + chosen.front()->get_name();
    }
    return name;
}

std::optional<Command> command_of(std::string_view name) {
    constexpr std::pair<std::string_view, Command> kCommands[] = {
        {"list", Command::list},
        {"show", Command::show},
        {"resolve", Command::resolve},
        {"describe", Command::describe},
        {"log list", Command::log_list},
        {"log show", Command::log_show},
        {"log verify", Command::log_verify},
        {"log tail", Command::log_tail},
        {"log inspect", Command::log_inspect},
        {"log repair", Command::log_repair},
    };
    const auto* found =
        std::ranges::find(kCommands, name, [](const auto& command) { return command.first; });
    return found == std::end(kCommands) ? std::nullopt : std::optional{found->second};
}

ConfigurationError incomplete(std::string_view chosen) {
    return ConfigurationError{
        chosen.empty()
            ? "give a command: list, show, resolve, describe or log; see `xa-recover --help`"
            : "give a command of log: list, show, verify, tail, inspect or repair; see "
              "`xa-recover log --help`"};
}

void take_log(Parsed& parsed) {
    if (!parsed.directory.empty() && !parsed.log.empty()) {
        throw ConfigurationError{"give the log's folder once: as DIR or as --log DIR"};
    }
    const auto& log = parsed.directory.empty() ? parsed.log : parsed.directory;
    if (!log.empty()) {
        parsed.line.log = log;
    }
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
    add_command(app, parsed, "list", "Show everything in doubt", kListFooter);
    auto& show = add_command(app, parsed, "show", "Show one transaction in detail", kShowFooter);
    show.add_option("GTRID", parsed.line.gtrid, "The transaction, as `list` names it")->required();
    auto& resolve = add_command(app, parsed, "resolve", "Finish what is in doubt", kResolveFooter);
    resolve.add_flag("--dry-run", parsed.line.is_dry_run, "Only show what would be done");
    add_command(app, parsed, "describe", "Show what each server says of itself", kDescribeFooter);
    add_log_commands(app, parsed);
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        return Information{app.help()};
    } catch (const CLI::CallForVersion&) {
        return Information{app.version() + "\n"};
    } catch (const CLI::ExtrasError&) {
        throw unexpected(app);
    } catch (const CLI::ParseError& error) {
        const auto name = command_name(app);
        if (!command_of(name)) {
            throw incomplete(name);
        }
        throw ConfigurationError{fmt::format("{}; see `xa-recover {} --help`", error.what(), name)};
    }
    if (parsed.timeout_s == 0 || parsed.timeout_s > kTimeoutMaxSeconds) {
        throw ConfigurationError{
            fmt::format("--timeout wants 1 to {} seconds", kTimeoutMaxSeconds)};
    }
    auto& line = parsed.line;
    line.command = command_of(command_name(app)).value();
    if (!parsed.config_file.empty()) {
        line.config_file = parsed.config_file;
    }
    take_log(parsed);
    if (!parsed.mirror.empty()) {
        line.mirror = parsed.mirror;
    }
    for (const auto& resource : parsed.resources) {
        line.resources.push_back(parse_resource(resource));
    }
    line.timeout = std::chrono::seconds{parsed.timeout_s};
    return line;
}

}  // namespace xa_tm::cli
