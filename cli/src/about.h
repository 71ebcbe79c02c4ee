#pragma once

#include <span>
#include <string>
#include <string_view>

#include "exit_code.h"

/// What help and the manual page say of the program as a whole.
namespace xa_tm::cli {

inline constexpr std::string_view kProgram = "xa-recover";

inline constexpr std::string_view kOneLine =
    "show and finish the global transactions that an outage left in doubt";

inline constexpr std::string_view kAbout =
    R"(Shows and finishes the global transactions that an outage left in doubt.

It reads the recovery log of one transaction manager and asks every resource what
it holds prepared. `resolve` and `apply` act only on branches of that log; what a
person orders with `commit`, `rollback` or `forget` is judged and kept in the log
first. All act only when no process owns the log; beside a running application it
just shows.
The commands of `log` look into the log itself and ask nobody.)";

inline constexpr std::string_view kConfigurationFile =
    R"(node = "shop-1"            # optional; the log must have been made for it
log = "/var/lib/shop/xa"   # a relative path starts at this file's folder
[resources]
users = "postgresql:///users?host=/run/postgresql"
points = "mysql://shop@localhost/points?socket=/run/mysqld/mysqld.sock")";

inline constexpr std::string_view kPasswords =
    R"(No output holds one. Best leave it out of the URI: PostgreSQL's come from
~/.pgpass, PGPASSFILE or `?passfile=FILE`, MySQL's from ~/.my.cnf or
`?default-file=FILE`. A URI may also hold ${NAME}, an environment variable whose
value is encoded for it; $$ is a dollar. A configuration file with a password
should be readable for you alone. A password on the command line is overwritten
with *** as soon as the program starts; for a moment before, others may see it.)";

inline constexpr std::string_view kProgramExamples =
    R"(xa-recover list --config /etc/shop/xa.toml
xa-recover show shop-1:91b52e0c7a14d3f8:7:42 --config /etc/shop/xa.toml
xa-recover resolve --dry-run --config /etc/shop/xa.toml
xa-recover resolve --config /etc/shop/xa.toml
xa-recover log verify /var/lib/shop/xa)";

/// A file or a variable, and what it is for.
struct NamedThing {
    std::string_view name;
    std::string_view meaning;
};

inline constexpr NamedThing kEnvironment[] = {
    {"PGPASSFILE, PGPASSWORD, PGSERVICEFILE, ...",
     "what libpq takes from them where a PostgreSQL URI leaves it out"},
    {"${NAME} of a URI", "any variable that a URI names"},
    {"NO_COLOR", "when it is set, no colours"},
    {"TERM", "with `dumb`, no colours"},
    {"HOME", "where the files of the user are"},
};

inline constexpr NamedThing kFiles[] = {
    {"FILE of --config", "which log, and which databases under which names"},
    {"DIR of --log", "the folder of the recovery log"},
    {"~/.pgpass", "passwords for PostgreSQL"},
    {"~/.my.cnf", "user, password and address for MySQL and MariaDB"},
};

// The parts of a help footer; each ends with a line break unless it is the last.

[[nodiscard]] std::string exit_codes_text(std::span<const ExitCode> codes);
[[nodiscard]] std::string examples_text(std::string_view examples);
[[nodiscard]] std::string program_footer();

}  // namespace xa_tm::cli
