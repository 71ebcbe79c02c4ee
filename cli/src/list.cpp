#include <chrono>
#include <csignal>
#include <memory>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "commands.h"
#include "failure.h"
#include "json_document.h"
#include "look.h"
#include "render_json.h"
#include "report_view.h"
#include "text.h"

namespace xa_tm::cli {
namespace {

constexpr unsigned kPeriodMaxSeconds = 86400;

int list(const Request& request) {
    const auto report = look(request);
    print(report, request);
    return exit_code_of(report);
}

/// What one look has found, as it is to be printed.
struct Sight {
    std::string text;
    int exit_code;
};

Sight sight_of(const Request& request) {
    const auto report = look(request);
    return {request.is_json ? json_line(report_json(report))
                            : render_table(report, {.has_colour = wants_colour()}),
            exit_code_of(report)};
}

/// What may go away may come back: only the first look has to succeed.
Sight sight_or_failure(const Request& request) {
    try {
        return sight_of(request);
    } catch (...) {
        const auto failure = current_failure();
        return {request.is_json ? json_line({{"error", failure.message}})
                                : wrapped(as_sentence(failure.message), 0),
                failure.exit_code};
    }
}

volatile std::sig_atomic_t exit_code_of_last_look = kNothingInDoubt;

/// Nothing is changed by looking, so it may be left at any moment, also while a server is silent.
void leave(int /*signal*/) {
    ::_exit(exit_code_of_last_look);
}

/// Keeps leave() from cutting a document into two.
class WholeDocument {
public:
    WholeDocument() {
        sigset_t signals;
        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &signals, &before_);
    }
    WholeDocument(const WholeDocument&) = delete;
    WholeDocument& operator=(const WholeDocument&) = delete;
    ~WholeDocument() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_{};
};

void show(const Sight& sight, const Request& request, std::chrono::seconds period) {
    const WholeDocument whole;
    std::string heading;
    if (!request.is_json) {
        constexpr std::string_view kClear = "\x1b[H\x1b[2J";
        heading =
            fmt::format("{}{:%Y-%m-%d %H:%M:%S} UTC, again every {} s until interrupted\n\n",
                        ::isatty(STDOUT_FILENO) == 1 ? kClear : "\n",
                        std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()),
                        period.count());
    }
    write_out(heading + sight.text);
    exit_code_of_last_look = sight.exit_code;
}

[[noreturn]] void watch(const Request& request, std::chrono::seconds period) {
    show(sight_of(request), request, period);
    std::signal(SIGINT, leave);
    std::signal(SIGTERM, leave);
    for (;;) {
        std::this_thread::sleep_for(period);
        show(sight_or_failure(request), request, period);
    }
}

struct ListOptions {
    explicit ListOptions(CLI::App& app) : server{app} {
        watch = app.add_option("--watch", period_s,
                               "Look again every SECONDS, 2 unless given,\n"
                               "until interrupted")
                    ->type_name("SECONDS")
                    ->expected(0, 1)
                    ->default_str("2");
    }

    [[nodiscard]] std::chrono::seconds period() const {
        if (period_s == 0 || period_s > kPeriodMaxSeconds) {
            throw ConfigurationError{
                fmt::format("--watch wants 1 to {} seconds", kPeriodMaxSeconds)};
        }
        return std::chrono::seconds{period_s};
    }

    ServerOptions server;
    const CLI::Option* watch;
    unsigned period_s = 0;
};

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<ListOptions>(app);
    return [options] {
        if (options->watch->count() > 0) {
            watch(options->server.request(), options->period());
        }
        return list(options->server.request());
    };
}

}  // namespace

constinit const Command kListCommand{
    .name = "list",
    .about = "Show everything in doubt",
    .notes =
        R"(With --watch it looks again and again, clears a terminal before each look, and prints
one JSON document a line with --json. A server or a log that goes away is shown as
such. SIGINT and SIGTERM end it with the exit code of the last look.)",
    .examples = R"(xa-recover list --config /etc/shop/xa.toml
xa-recover list --log /var/lib/shop/xa --resource users=postgresql:///users \
                --resource points=mysql://shop@localhost/points
xa-recover list --config /etc/shop/xa.toml --json
xa-recover list --config /etc/shop/xa.toml --watch 5)",
    .exit_codes = kExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli
