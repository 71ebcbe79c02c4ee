// Invariants:
// - the log is not opened before nobody owns it and every resource's name and URI have been found
//   to be right;
// - the endpoints end before the manager that they tell of;
// - nothing is begun: what this process does may be cut off at any moment.

#include <chrono>
#include <cstdlib>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "commands.h"
#include "datasources.h"
#include "health.h"
#include "http_server.h"
#include "json_document.h"
#include "look.h"
#include "metrics.h"
#include "options.h"
#include "report_view.h"
#include "service_manager.h"
#include "stderr_log.h"
#include "stop_signals.h"
#include "take_over.h"
#include "watch_state.h"
#include "xa_tm/error.h"

namespace xa_tm::cli {
namespace {

using std::chrono::milliseconds;

/// How often the owner is looked for, and what is left to do.
constexpr milliseconds kPause{500};
/// How long a server may keep us from ending.
constexpr std::chrono::seconds kGrace{5};

struct WatchParameters {
    ListenAddress listen;
    bool is_until_done;
    bool is_waiting;
    LogFormat format;
};

int exit_code_of(const RecoveryStatus& status) {
    bool is_in_doubt =
        status.heuristics > 0 || status.open_decisions > 0 || !status.log_doubt.empty();
    for (const auto& resource : status.resources) {
        if (!resource.is_reachable || !resource.unended_session.empty()) {
            return kUnreadable;
        }
        is_in_doubt = is_in_doubt || resource.in_doubt > 0 || resource.for_a_person > 0;
    }
    return is_in_doubt ? kInDoubt : kNothingInDoubt;
}

std::string_view words_for(int exit_code) {
    if (exit_code == kUnreadable) {
        return "not everything could be read, so more may be in doubt";
    }
    return exit_code == kInDoubt ? "something is in doubt" : "nothing is in doubt";
}

/// After a failed write the log accepts nothing more (law 8); its next owner finds out what it
/// holds.
bool is_lost(recovery_log::Health health) {
    switch (health) {
        case recovery_log::Health::healthy:
        case recovery_log::Health::full: return false;
        case recovery_log::Health::poisoned:
        case recovery_log::Health::fenced: return true;
    }
    return true;
}

class Watch {
public:
    Watch(const Request& request, const WatchParameters& parameters)
        : request_{request}, parameters_{parameters}, log_{parameters.format} {}

    int run() {
        check();
        const HttpServer server{parameters_.listen,
                                [this](std::string_view path) { return answer(path); }};
        log_.info(fmt::format("Metrics are at {0}/metrics, health at {0}/health.", server.url()));
        notify_service_manager(fmt::format("READY=1\nSTATUS={}", server.url()));
        if (const auto exit_code = take_over_when_free()) {
            return *exit_code;
        }
        finish([this] { manager_->start(); });
        state_.recover_with(*manager_);
        return watch();
    }

private:
    /// What can be found wrong at once is not waited with.
    void check() const {
        const auto& configuration = request_.configuration;
        static_cast<void>(make_datasources(configuration.resources, request_.timeout));
        check_node(configuration.log, configuration.node,
                   recovery_log::read_log(configuration.log).node);
    }

    [[nodiscard]] HttpReply answer(std::string_view path) const {
        if (path == "/metrics") {
            return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_text(state_.view())};
        }
        if (path == "/health") {
            const auto json = health_json(state_.view());
            return {json["healthy"] ? 200U : 503U, "application/json", document(json)};
        }
        return {404, "text/plain; charset=utf-8", "There are /metrics and /health.\n"};
    }

    /// The exit code when it was stopped before.
    [[nodiscard]] std::optional<int> take_over_when_free() {
        std::optional<pid_t> told;
        for (;;) {
            const auto owner = parameters_.is_waiting
                                   ? recovery_log::find_log_owner(request_.configuration.log)
                                   : std::nullopt;
            if (!owner) {
                const auto seen = look_first();
                if (stop_.wait_for(milliseconds{0})) {
                    return seen.log.owner ? end_beside_owner() : end_after_look(seen);
                }
                if (try_to_take_over(seen)) {
                    return std::nullopt;
                }
                told.reset();  // it may be the same process that has taken the log again
            }
            if (owner && told != owner->pid) {
                told = owner->pid;
                state_.wait_for(*owner);
                log_.info(
                    fmt::format("Waiting until pid {} on {} ends, which owns the log and "
                                "finishes everything by itself.",
                                owner->pid, owner->host));
                tell_status();
            }
            if (stop_.wait_for(kPause)) {
                return end_beside_owner();
            }
        }
    }

    [[nodiscard]] int end_beside_owner() {
        log_.info("Stopped by a signal; the log's owner goes on.");
        return kNothingInDoubt;
    }

    [[nodiscard]] int end_after_look(const RecoveryReport& seen) {
        const auto exit_code = cli::exit_code_of(seen);
        log_.info(
            fmt::format("Stopped by a signal before it took the log over, which nobody owns; {}.",
                        words_for(exit_code)));
        return exit_code;
    }

    [[nodiscard]] RecoveryReport look_first() {
        state_.start();
        tell_status();
        std::optional<RecoveryReport> report;
        finish([&] { report = look(request_); });
        return *std::move(report);
    }

    /// False when another process was faster.
    [[nodiscard]] bool try_to_take_over(const RecoveryReport& seen) {
        check_names(seen);
        try {
            manager_ = take_over(request_, seen.log.node);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::log_in_use || !parameters_.is_waiting) {
                throw;
            }
        }
        return manager_ != nullptr;
    }

    [[nodiscard]] int watch() {
        for (;;) {
            tell_status();
            const auto status = manager_->recovery_status();
            if (is_lost(status.log.health)) {
                log_.error(
                    fmt::format("The log accepts nothing more: {}. Start again, so that "
                                "what it holds is read anew.",
                                status.log.reason));
                return kUnreadable;
            }
            const bool is_done = parameters_.is_until_done && !manager_->has_work_left();
            if (is_done || stop_.wait_for(kPause)) {
                log_.info(fmt::format("{}; {}.", is_done ? "Done" : "Stopped by a signal",
                                      status_line(state_.view())));
                notify_service_manager("STOPPING=1");
                return exit_code_of(manager_->recovery_status());
            }
        }
    }

    /// Does something that waits for servers. When a signal comes meanwhile and they don't answer
    /// soon, the process ends here, as it might anywhere.
    template <class Work>
    void finish(const Work& work) {
        auto running = std::async(std::launch::async, work);
        std::optional<std::chrono::steady_clock::time_point> deadline;
        while (running.wait_for(milliseconds{0}) != std::future_status::ready) {
            const auto now = std::chrono::steady_clock::now();
            if (deadline && now >= *deadline) {
                log_.error(
                    "Stopped by a signal while a server gives no answer; more may be in "
                    "doubt.");
                std::_Exit(kUnreadable);
            }
            if (!deadline && stop_.wait_for(milliseconds{10})) {
                deadline = now + kGrace;
            } else if (deadline) {
                static_cast<void>(running.wait_for(milliseconds{10}));
            }
        }
        running.get();
    }

    void tell_status() {
        if (auto line = status_line(state_.view()); line != told_) {
            notify_service_manager("STATUS=" + line);
            told_ = std::move(line);
        }
    }

    Request request_;
    WatchParameters parameters_;
    StopSignals stop_;
    StderrLog log_;
    std::unique_ptr<TransactionManager> manager_;
    WatchState state_;
    std::string told_;
};

struct WatchOptions {
    explicit WatchOptions(CLI::App& app) : server{app} {
        app.add_option("--listen", listen,
                       "Where metrics and health are served: a port of\n"
                       "127.0.0.1 or [::1]; default 127.0.0.1:9464")
            ->type_name("ADDRESS:PORT");
        app.add_flag("--no-wait", is_impatient, "Fail while another process owns the log");
        app.add_flag("--until-done", is_until_done,
                     "End when nothing is left but what waits for a\n"
                     "person");
    }

    ServerOptions server;
    std::string listen = "127.0.0.1:9464";
    bool is_impatient = false;
    bool is_until_done = false;
};

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<WatchOptions>(app);
    return [options] {
        const auto request = options->server.request();
        return Watch{request,
                     {.listen = parse_listen_address(options->listen),
                      .is_until_done = options->is_until_done,
                      .is_waiting = !options->is_impatient,
                      .format = request.is_json ? LogFormat::json : default_log_format()}}
            .run();
    };
}

}  // namespace

constinit const Command kWatchCommand{
    .name = "watch",
    .about = "Recover in the background, with metrics, for an application that is gone",
    .notes = R"(Waits until nobody owns the log, takes it over, and finishes what is in doubt as
the application itself would, again and again, until SIGTERM or SIGINT. Begins
nothing. The application can't start as long as this runs.

Serves GET /metrics for Prometheus and GET /health on loopback; health is 200 when
nobody needs to look and 503 when a person should, with the reason as JSON. What it
does goes to standard error; with --json as an object a line. Tells the service
manager when it is ready (Type=notify).

The exit code says what was left, also after a signal; 0 when it only waited.)",
    .examples = R"(xa-recover watch --config /etc/shop/xa.toml
xa-recover watch --config /etc/shop/xa.toml --until-done --no-wait
xa-recover watch --config /etc/shop/xa.toml --listen '[::1]:9500')",
    .exit_codes = kExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli
