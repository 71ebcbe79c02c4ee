// Invariants:
// - what lasts has its end in lasting_, and every end may come when it is no longer needed: after
//   the application was killed, or everything was ended at once;
// - between two rounds there is no application, and everything else is up;
// - the random numbers decide what is tried and when; whether it applies then, and how far each
//   transaction is, they do not.

#include "rig.h"

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bank.h"
#include "eventually.h"
#include "undone.h"

namespace xa_tm::test {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTormentMin{2000};
constexpr milliseconds kTormentMax{8000};
constexpr milliseconds kGapMax{600};
/// Where nothing but servers is killed, so that all are up now and then and something commits.
constexpr milliseconds kGapOfServersMax{5000};
/// For everything that has to happen sooner or later once all servers are up.
constexpr std::chrono::seconds kPatience{60};
/// So many transactions have to be committed after the faults, so that service has come back.
constexpr std::size_t kCommitsAfterwards = 20;
constexpr std::int64_t kIdsPerApplication = 10'000'000;
/// Room for a segment of xa-recover's, which are of the default size.
constexpr std::size_t kDiskBytes = std::size_t{512} << 20;
/// In the commit of a last resource, and nowhere else.
constexpr const char* kDecision = "xa_tm_decision (gtrid, log_id, decision) values";
/// Of xa-recover, in seconds.
constexpr int kToolTimeout = 5;

std::string described(const Completed& end) {
    return end.signal != 0 ? fmt::format("signal {}", end.signal)
                           : fmt::format("exit code {}", end.exit_code);
}

}  // namespace

Rig::Rig(RigOptions options) : options_{std::move(options)}, random_{options_.seed} {
    std::filesystem::create_directories(options_.directory);
    auto place = options_.directory;
    if (!options_.disk_obstacle) {
        place =
            disk_.emplace(options_.directory / "disk.img", options_.directory / "disk", kDiskBytes)
                .path();
    }
    log_ = place / "log";
    std::filesystem::create_directory(log_);
    events_ = std::fopen((options_.directory / "events").c_str(), "we");
    if (events_ == nullptr) {
        throw std::runtime_error{"can't write into " + options_.directory.native()};
    }
    for (const auto& server : options_.servers) {
        servers_.emplace_back(server);
    }
    set_up_last_resources();
    summary_.seed = options_.seed;
    summary_.servers = options_.servers;
    if (options_.disk_obstacle) {
        summary_.skipped =
            fmt::format("{}: {}", to_string(Fault::fill_disk), *options_.disk_obstacle);
    }
}

Rig::~Rig() {
    application_.reset();
    tool_.reset();
    std::fclose(events_);
}

Summary Rig::run() {
    begun_ = Clock::now();
    while (!is_failed() && Clock::now() < begun_ + options_.time) {
        run_round();
    }
    if (!is_failed()) {
        judge(0);  // once more over everything, which nothing may have changed since
    }
    if (!is_failed()) {
        for (const auto& server : servers_) {
            server.clear();
        }
    }
    summary_.time = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begun_);
    summary_.transactions = audit_.tally();
    return summary_;
}

void Rig::run_round() {
    const auto first_id = next_first_id_;
    const auto clearing = options_.is_only_servers ? Clearing::living_application
                                                   : kClearings[draw(kClearings.size())];
    note(fmt::format("round {}", ++summary_.rounds));
    start_application(options_.threads);
    torment();
    end_everything();
    note(fmt::format("everything is up; to be cleared up by {}", to_string(clearing)));
    const auto up = Clock::now();
    clear_up(clearing);
    ++summary_.clearings[clearing];
    summary_.longest_clearing = std::max(
        summary_.longest_clearing, std::chrono::duration_cast<milliseconds>(Clock::now() - up));
    if (!is_failed()) {
        judge(first_id);
    }
}

void Rig::torment() {
    const auto end = options_.is_only_servers ? begun_ + options_.time
                                              : Clock::now() + draw(kTormentMin, kTormentMax);
    const auto gap_max = options_.is_only_servers ? kGapOfServersMax : kGapMax;
    auto next = Clock::now() + draw(milliseconds{0}, gap_max);
    while (Clock::now() < end && !is_failed()) {
        auto wake = next;
        for (const auto& lasting : lasting_) {
            wake = std::min(wake, lasting.due);
        }
        std::this_thread::sleep_until(wake);  // the moment is what was drawn
        look_after_application();
        look_after_tool();
        end_what_is_due(Clock::now());
        if (Clock::now() >= next) {
            const auto fault =
                options_.is_only_servers ? Fault::kill_server : kFaults[draw(kFaults.size())];
            if (inject(fault)) {
                ++summary_.faults[fault];
            }
            next = Clock::now() + draw(milliseconds{0}, gap_max);
        }
    }
}

void Rig::end_what_is_due(Clock::time_point now) {
    for (auto lasting = lasting_.begin(); lasting != lasting_.end();) {
        if (lasting->due > now) {
            ++lasting;
            continue;
        }
        const auto end = std::move(lasting->end);
        lasting = lasting_.erase(lasting);
        end();
    }
}

void Rig::end_everything() {
    end_what_is_due(Clock::time_point::max());
    for (auto& server : servers_) {
        server.bring_up();
    }
    if (tool_) {
        std::ignore = tool_->end();
        look_after_tool();
    }
    look_after_application();
    read_outcomes();
}

/// Also writes the configuration by which xa-recover knows all resources.
void Rig::set_up_last_resources() {
    std::ofstream file{options_.directory / "xa.toml"};
    file << fmt::format("node = \"{}\"\nlog = \"{}\"\n[resources]\n", kBankNode, log_.native());
    for (const auto& server : servers_) {
        file << fmt::format("{} = \"{}\"\n", server.resource(), server.uri());
        file << fmt::format("{} = {{ uri = \"{}\", last_resource = true }}\n",
                            server.last_resource(), server.uri());
    }
    file.close();
    const auto end = run_program(tool_command("setup-last-resource"));
    if (end.exit_code != 0) {
        throw std::runtime_error{
            fmt::format("xa-recover setup-last-resource: {}{}", end.out, end.err)};
    }
    for (auto& server : servers_) {
        server.plant_row();
    }
}

// ---- Faults ---------------------------------------------------------------------------------

bool Rig::inject(Fault fault) {
    switch (fault) {
        case Fault::kill_application: return kill_application();
        case Fault::pause_application: return pause_application();
        case Fault::kill_server: return kill_server();
        case Fault::pause_server: return pause_server();
        case Fault::cut_link: cut_link(); return true;
        case Fault::delay_link: delay_link(); return true;
        case Fault::lose_reply: lose_reply(); return true;
        case Fault::fill_disk: return fill_disk();
        case Fault::run_tool: return run_tool();
        case Fault::kill_tool: return kill_tool();
    }
    return false;
}

bool Rig::kill_application() {
    if (!application_) {
        return false;
    }
    note("application killed");
    application_.reset();
    last(draw(milliseconds{0}, milliseconds{1500}), [this] {
        if (!application_) {
            start_application(options_.threads);
        }
    });
    return true;
}

bool Rig::pause_application() {
    if (!application_ || is_application_paused_) {
        return false;
    }
    note("application paused");
    application_->signal(SIGSTOP);
    is_application_paused_ = true;
    last(draw(milliseconds{50}, milliseconds{3000}), [this] {
        if (application_ && is_application_paused_) {
            note("application goes on");
            application_->signal(SIGCONT);
            is_application_paused_ = false;
        }
    });
    return true;
}

bool Rig::kill_server() {
    auto* const server = any_server_that_is_up();
    if (server == nullptr) {
        return false;
    }
    note(server->name() + " killed");
    server->kill();
    ++summary_.servers_killed[server->name()];
    last(draw(milliseconds{0}, milliseconds{2000}), [this, server] {
        note(server->name() + " to be restarted");
        server->restart();
    });
    return true;
}

bool Rig::pause_server() {
    auto* const server = any_server_that_is_up();
    if (server == nullptr) {
        return false;
    }
    note(server->name() + " paused");
    server->pause();
    last(draw(milliseconds{100}, milliseconds{4000}), [this, server] {
        note(server->name() + " goes on");
        server->resume();
    });
    return true;
}

void Rig::cut_link() {
    auto& server = any_server();
    note("link cut to " + server.name());
    server.proxy().cut_off(0);
    last(draw(milliseconds{50}, milliseconds{2000}), [this, &server] {
        note("link restored to " + server.name());
        server.proxy().restore(0);
    });
}

void Rig::delay_link() {
    auto& server = any_server();
    const auto round_trip = draw(milliseconds{1}, milliseconds{50});
    note(fmt::format("link to {} delayed by {} ms", server.name(), round_trip.count()));
    server.proxy().set_round_trip(round_trip);
    last(draw(milliseconds{200}, milliseconds{3000}), [this, &server] {
        note(fmt::format("link to {} not delayed any more", server.name()));
        server.proxy().set_round_trip(milliseconds{0});
    });
}

void Rig::lose_reply() {
    auto& server = any_server();
    const auto verbs = server.is_postgresql()
                           ? std::array{"prepare transaction", "commit prepared", kDecision}
                           : std::array{"xa prepare", "xa commit", kDecision};
    const std::string verb = verbs[draw(verbs.size())];
    note(fmt::format("next reply of {} to {} to be lost", server.name(), verb));
    server.proxy().lose_reply_to(0, verb);
}

bool Rig::fill_disk() {
    if (!disk_) {
        return false;
    }
    note("log disk full");
    disk_->fill_up();
    last(draw(milliseconds{200}, milliseconds{3000}), [this] {
        note("log disk has space again");
        disk_->free_up();
    });
    return true;
}

bool Rig::run_tool() {
    if (tool_) {
        return false;
    }
    const auto verb = std::array{"list", "resolve", "plan", "apply"}[draw(4)];
    const bool has_plan = std::filesystem::exists(options_.directory / "plan");
    if (std::string_view{verb} == "apply" && !has_plan) {
        return false;
    }
    note(fmt::format("xa-recover {}", verb));
    tool_.emplace(tool_command(verb));
    is_tool_killed_ = false;
    return true;
}

bool Rig::kill_tool() {
    if (!tool_ || tool_->has_ended()) {
        return false;
    }
    note("xa-recover killed");
    is_tool_killed_ = true;
    tool_->signal(SIGKILL);
    return true;
}

// ---- Clearing up ----------------------------------------------------------------------------

void Rig::clear_up(Clearing clearing) {
    switch (clearing) {
        case Clearing::living_application: clear_up_by_living_application(); return;
        case Clearing::xa_recover: clear_up_by_tool(); return;
        case Clearing::next_application: clear_up_by_next_application(); return;
    }
}

void Rig::clear_up_by_living_application() {
    const auto wanted = audit_.committed() + kCommitsAfterwards;
    const bool is_serving = eventually(
        [&] {
            end_what_is_due(Clock::now());
            look_after_application();
            read_outcomes();
            return is_failed() || audit_.committed() >= wanted;
        },
        kPatience);
    if (!is_serving) {
        summary_.stuck.push_back("nothing is committed any more although everything is up");
    }
    end_what_is_due(Clock::time_point::max());
    if (is_failed()) {
        return;
    }
    application_->signal(SIGTERM);
    const auto end = application_->end();
    application_.reset();
    note(fmt::format("application has ended: {}", described(end)));
    if (end.exit_code == kBankPoisoned) {
        ++summary_.poisoned;
        clear_up_by_next_application();
        return;
    }
    judge_end_of_application(end);
}

void Rig::kill_application_to_clear_up() {
    application_.reset();
    for (const auto& server : servers_) {
        summary_.in_doubt += server.count_prepared();
    }
}

void Rig::clear_up_by_tool() {
    kill_application_to_clear_up();
    std::string last_words;
    const bool is_clear = eventually(
        [&] {
            const auto end = run_program(tool_command("resolve"));
            last_words = fmt::format("{}\n{}{}", described(end), end.out, end.err);
            return end.exit_code == 0;
        },
        kPatience);
    if (!is_clear) {
        summary_.stuck.push_back("xa-recover resolve does not end what is left: " + last_words);
    }
}

void Rig::clear_up_by_next_application() {
    kill_application_to_clear_up();
    start_application(0);
    const auto end = application_->end();
    application_.reset();
    note(fmt::format("recovering application has ended: {}", described(end)));
    judge_end_of_application(end);
}

void Rig::judge_end_of_application(const Completed& end) {
    if (end.exit_code == kBankLeft) {
        summary_.stuck.push_back(
            fmt::format("something is in doubt {} s after everything is up", kPatience.count()));
    } else if (end.exit_code != kBankDrained) {
        summary_.violations.push_back(fmt::format("the application ended with {}", described(end)));
    }
}

void Rig::judge(std::int64_t first_id) {
    read_outcomes();
    std::vector<BankBooks> books;
    for (const auto& server : servers_) {
        books.push_back(server.books(first_id));
    }
    auto violations = audit_.judge(books, first_id);
    std::ranges::move(violations, std::back_inserter(summary_.violations));
    if (const auto undone = count_undone(log_); undone > 0) {
        summary_.stuck.push_back(fmt::format("the log still holds {} decisions", undone));
    }
    const auto tally = audit_.tally();
    const auto committed = tally.told.find(Outcome::committed);
    const auto text =
        fmt::format("round {}: {} transactions told committed so far, {} violations, {} stuck",
                    summary_.rounds, committed == tally.told.end() ? 0 : committed->second,
                    summary_.violations.size(), summary_.stuck.size());
    note(text);
    fmt::print("{}\n", text);
    std::fflush(stdout);
}

// ---- Processes ------------------------------------------------------------------------------

void Rig::start_application(std::size_t threads) {
    std::vector<std::string> command{TORTURE_BANK,
                                     "--log",
                                     log_,
                                     "--outcomes",
                                     options_.directory / "outcomes",
                                     "--messages",
                                     options_.directory / "messages",
                                     "--seed",
                                     std::to_string(random_()),
                                     "--first-id",
                                     std::to_string(next_first_id_),
                                     "--threads",
                                     std::to_string(threads),
                                     "--patience",
                                     std::to_string(kPatience.count())};
    std::vector<std::string> last_resources;
    for (const auto& server : servers_) {
        command.push_back(fmt::format("{}={}", server.resource(), server.uri()));
        last_resources.push_back(fmt::format("{}={}", server.last_resource(), server.uri()));
    }
    command.push_back(fmt::format("--last-resources={}", fmt::join(last_resources, ",")));
    next_first_id_ += kIdsPerApplication;
    note("application starts");
    application_.emplace(std::move(command));
    is_application_paused_ = false;
}

void Rig::look_after_application() {
    if (!application_ || !application_->has_ended()) {
        return;
    }
    const auto end = application_->end();
    note(fmt::format("application has ended by itself: {}", described(end)));
    application_.reset();
    summary_.starts_refused += end.exit_code == kBankNoLog ? 1U : 0U;
    summary_.poisoned += end.exit_code == kBankPoisoned ? 1U : 0U;
    if (end.exit_code != kBankNoLog && end.exit_code != kBankPoisoned) {
        summary_.violations.push_back(
            fmt::format("the application ended by itself with {}", described(end)));
        return;
    }
    last(draw(milliseconds{50}, milliseconds{300}), [this] {
        if (!application_) {
            start_application(options_.threads);
        }
    });
}

void Rig::look_after_tool() {
    if (!tool_ || !tool_->has_ended()) {
        return;
    }
    const auto end = tool_->end();
    tool_.reset();
    note(fmt::format("xa-recover has ended: {}", described(end)));
    const bool is_fine = end.exit_code == 0 || end.exit_code == 1 || end.exit_code == 3;
    if (!is_fine && !(is_tool_killed_ && end.signal == SIGKILL)) {
        summary_.violations.push_back(
            fmt::format("xa-recover ended with {}: {}", described(end), end.err));
    }
}

std::vector<std::string> Rig::tool_command(const std::string& verb) const {
    const auto plan = (options_.directory / "plan").native();
    std::vector<std::string> command{XA_RECOVER, verb};
    if (verb == "plan") {
        command.insert(command.end(), {"--force", "-o", plan});
    } else if (verb == "apply") {
        command.push_back(plan);
    }
    command.insert(command.end(), {"--config", options_.directory / "xa.toml", "--timeout",
                                   std::to_string(kToolTimeout)});
    return command;
}

/// Whole lines; what a killed application wrote in part, if that can be, is never whole.
void Rig::read_outcomes() {
    std::ifstream file{options_.directory / "outcomes"};
    file.seekg(outcomes_read_);
    for (std::string line; std::getline(file, line) && !file.eof();) {
        audit_.read(line);
        outcomes_read_ = file.tellg();
    }
}

bool Rig::is_failed() const {
    return !summary_.violations.empty() || !summary_.stuck.empty();
}

// ---- What is drawn --------------------------------------------------------------------------

TortureServer& Rig::any_server() {
    return *std::next(servers_.begin(), static_cast<std::ptrdiff_t>(draw(servers_.size())));
}

TortureServer* Rig::any_server_that_is_up() {
    auto& server = any_server();
    return is_up(server) ? &server : nullptr;
}

std::uint64_t Rig::draw(std::uint64_t below) {
    return std::uniform_int_distribution<std::uint64_t>{0, below - 1}(random_);
}

milliseconds Rig::draw(Milliseconds shortest, Milliseconds longest) {
    return shortest + Milliseconds{draw(static_cast<std::uint64_t>((longest - shortest).count()))};
}

void Rig::last(Milliseconds time, std::function<void()> end) {
    lasting_.push_back({Clock::now() + time, std::move(end)});
}

void Rig::note(const std::string& event) {
    const std::chrono::duration<double> since = Clock::now() - begun_;
    fmt::print(events_, "{:9.3f} {}\n", since.count(), event);
    std::fflush(events_);
}

}  // namespace xa_tm::test
