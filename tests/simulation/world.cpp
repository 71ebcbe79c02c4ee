// Invariants:
// - everything that happens follows from the seed: no clock, address or thread is asked;
// - a trace draws no random number and moves no time, so that a traced run is the same run.

#include "world.h"

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <set>
#include <utility>

#include <boost/log/core.hpp>
#include <fmt/format.h>

#include "decision_record.h"
#include "global_id.h"

namespace xa_tm::simulation {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kWorkers = 8;
constexpr std::uint64_t kRoundTransactions = 300;
/// In quiet surroundings everything has to be settled by then.
constexpr std::chrono::minutes kPatience{10};
constexpr std::string_view kNode = "shop-1";

std::string_view to_string(TrafficListener::Event event) {
    using Event = TrafficListener::Event;
    switch (event) {
        case Event::sent: return "sends";
        case Event::carried_out: return "carries out";
        case Event::lost: return "loses";
        case Event::answered: return "is answered";
        case Event::cut: return "is cut off";
        case Event::closed: return "is closed";
    }
    return "?";
}

class World final : public TrafficListener {
public:
    explicit World(const WorldOptions& options);
    ~World() override { machine_.drop_events(); }
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    WorldReport live();

    void heard(Event event, const SimulatedServer& server, std::uint64_t session,
               const Request& request, const Answer* answer) override;
    void noted(const std::string& gtrid, std::string_view words) override;

private:
    void make_servers();
    void choose_last_resources();
    [[nodiscard]] std::optional<std::string> leave_out();
    void plant_foreign_branches();
    void plant_foreign_decisions();
    void begin_round();
    void draw_faults();
    void calm_down();
    bool settle();
    void start_process();
    void reap();
    void schedule_server_death();
    void schedule_clock_jump();
    bool run_until(const std::function<bool()>& is_done, VirtualMachine::Duration patience);
    void check_foreign();
    [[nodiscard]] bool is_traced(const std::string& gtrid) const;
    void note(const std::string& text);
    void mix(std::uint64_t value) noexcept {
        report_.digest = (report_.digest ^ value) * 0x100000001B3U;
    }

    WorldOptions options_;
    WorldReport report_;
    VirtualMachine machine_;
    Random random_;
    Oracle oracle_;
    SimulatedNetwork network_;
    std::vector<std::unique_ptr<SimulatedServer>> servers_;
    std::set<std::string, std::less<>> last_resources_;
    std::vector<std::pair<std::size_t, Xid>> foreign_;
    SimulatedDisk disk_;
    LogFaults log_faults_;
    std::uint32_t deaths_ = 0;
    bool is_quiet_ = true;
    std::uint64_t left_in_round_ = 0;
    std::uint64_t round_ = 0;
    std::unique_ptr<SimulatedProcess> process_;
    std::vector<std::unique_ptr<SimulatedProcess>> dead_;
};

World::World(const WorldOptions& options)
    : options_{options}, random_{options.seed}, network_{machine_, random_} {
    report_.digest = 0xCBF29CE484222325U;
    disk_.id = recovery_log::LogId{random_.next() | 1U};
    disk_.node = kNode;
    make_servers();
    choose_last_resources();
    plant_foreign_branches();
    plant_foreign_decisions();
}

void World::make_servers() {
    constexpr std::array kKinds{ServerKind::postgres, ServerKind::mariadb, ServerKind::mysql};
    const auto first = random_.below(kKinds.size());
    const auto count = 2 + random_.below(3);
    for (std::size_t i = 0; i < count; ++i) {
        const auto kind = kKinds[(first + i) % kKinds.size()];
        servers_.push_back(std::make_unique<SimulatedServer>(server_name(kind, i), kind, machine_,
                                                             random_, &oracle_));
    }
}

/// None in a quarter of the worlds, else one or two; never all servers, or each transaction would
/// have one branch.
void World::choose_last_resources() {
    const auto count = std::min({random_.below(4), std::uint64_t{2}, servers_.size() - 1});
    while (last_resources_.size() < count) {
        last_resources_.insert(servers_[random_.below(servers_.size())]->name());
    }
}

/// Those of other programs, of a lost log of this very node, and of a log whose name is almost
/// ours.
void World::plant_foreign_branches() {
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        auto& server = *servers_[i];
        const auto bqual = to_bqual({server.name(), 1});
        const std::array planted{
            Xid{131077, "another program's", "branch"},
            Xid{kFormatId, to_gtrid({std::string{kNode}, kOtherLog, 1, 1}), bqual},
            Xid{kFormatId,
                to_gtrid({std::string{kNode}, recovery_log::LogId{disk_.id.value() ^ 16U}, 1, 7}),
                bqual},
            Xid{kFormatId, to_gtrid({"shop-11", recovery_log::LogId{1}, 1, 7}), bqual},
            Xid{1, to_gtrid({std::string{kNode}, disk_.id, 1, 1}), bqual},
        };
        for (const auto& xid : planted) {
            server.plant(xid);
            foreign_.emplace_back(i, xid);
        }
        server.plant("a free-form name");
    }
}

/// Another log's, which shares the decision table: of a branch that is planted, too.
void World::plant_foreign_decisions() {
    const auto gtrid = to_gtrid({std::string{kNode}, kOtherLog, 1, 1});
    for (const auto& server : servers_) {
        const auto bytes =
            encode(Decision{gtrid, {}, {{server->name(), to_bqual({server->name(), 1}), {}, {}}}});
        server->plant_decision(
            gtrid, {kOtherLog.to_string(),
                    std::string{reinterpret_cast<const char*>(bytes.data()), bytes.size()}});
    }
}

void World::draw_faults() {
    NetworkFaults faults;
    const auto maybe = [this](std::uint64_t most) {
        return random_.chance(1, 2) ? static_cast<std::uint32_t>(random_.below(most)) : 0U;
    };
    faults.cuts_before = maybe(1500);
    faults.cuts_after = maybe(1500);
    faults.stalls = maybe(800);
    faults.slow_verbs = maybe(800);
    faults.silent_ends = maybe(50'000);
    faults.refusals = maybe(5000);
    network_.set_faults(faults);
    deaths_ = maybe(200);
    log_faults_ = {.failed_syncs = random_.chance(1, 4) ? maybe(600) : 0,
                   .refusals = random_.chance(1, 4) ? maybe(2000) : 0};
    schedule_server_death();
    schedule_clock_jump();
}

void World::schedule_server_death() {
    if (random_.chance(1, 3)) {
        return;
    }
    machine_.after(random_.between(1ms, 300ms), [this, round = round_] {
        if (is_quiet_ || round != round_) {
            return;
        }
        auto& server = *servers_[random_.below(servers_.size())];
        if (server.is_up()) {
            ++report_.server_deaths;
            note(fmt::format("{} dies", server.name()));
            server.crash();
            if (options_.breakage == Breakage::loses_rows) {
                server.lose_decisions_of(disk_.id.to_string());
            }
            machine_.after(random_.between(1ms, 400ms), [this, &server] {
                if (!server.is_up()) {
                    server.restart();
                    note(fmt::format("{} is back", server.name()));
                }
            });
        }
        schedule_server_death();
    });
}

void World::schedule_clock_jump() {
    machine_.after(random_.between(1ms, 500ms), [this, round = round_] {
        if (is_quiet_ || round != round_) {
            return;
        }
        ++report_.clock_jumps;
        machine_.set_wall_clock_offset(random_.between(-48h, 48h));
        note("the wall clock jumps");
        schedule_clock_jump();
    });
}

void World::calm_down() {
    is_quiet_ = true;
    network_.set_faults({});
    log_faults_ = {};
    deaths_ = 0;
    for (const auto& server : servers_) {
        server->restart();
    }
}

/// A configuration that lacks a last resource for a while.
std::optional<std::string> World::leave_out() {
    if (is_quiet_ || last_resources_.empty() || !random_.chance(1, 3)) {
        return std::nullopt;
    }
    ++report_.left_out;
    auto chosen = last_resources_.begin();
    std::advance(chosen, static_cast<std::ptrdiff_t>(random_.below(last_resources_.size())));
    return *chosen;
}

void World::start_process() {
    process_ = std::make_unique<SimulatedProcess>(
        SimulatedProcess::Environment{
            .network = network_,
            .servers = servers_,
            .last_resources = last_resources_,
            .left_out = leave_out(),
            .disk = disk_,
            .log_faults = log_faults_,
            .oracle = oracle_,
            .listener = this,
            .waits_for_rows = report_.waits_for_rows,
            .breakage = options_.breakage,
            .deaths = deaths_,
            .on_death =
                [this](std::string_view where) {
                    ++report_.process_deaths;
                    ++report_.deaths_at[std::string{where}];
                    note(fmt::format("the process of incarnation {} dies at {}", disk_.incarnation,
                                     where));
                    machine_.after(random_.between(1us, 300ms), [this] { reap(); });
                },
            .begins_another =
                [this] {
                    left_in_round_ -= left_in_round_ > 0 ? 1 : 0;
                    return left_in_round_ > 0 && !oracle_.violation();
                }},
        kWorkers);
    note(fmt::format("a process begins incarnation {}", disk_.incarnation));
}

/// A dead process is followed by the next one as soon as its last flow has noticed.
void World::reap() {
    if (!process_->has_ended()) {
        machine_.after(1ms, [this] { reap(); });
        return;
    }
    process_.reset();
    start_process();
}

bool World::run_until(const std::function<bool()>& is_done, VirtualMachine::Duration patience) {
    const auto deadline = machine_.now() + patience;
    while (!is_done()) {
        if (oracle_.violation() || machine_.now() > deadline || !machine_.step()) {
            return false;
        }
    }
    return true;
}

void World::begin_round() {
    ++round_;
    left_in_round_ =
        std::min(kRoundTransactions, options_.transactions - oracle_.counts().transactions) + 1;
    draw_faults();
    is_quiet_ = false;
    note(fmt::format("round {} begins", round_));
    if (process_ == nullptr) {
        start_process();
    } else {
        process_->work(kWorkers);
    }
}

/// What is on its way arrives, sessions end, and recovery finishes what it can.
bool World::settle() {
    calm_down();
    note("quiet begins");
    const auto log = disk_.id.to_string();
    const auto end_of_delays = machine_.now() + 3s;
    VirtualMachine::Time next_look = end_of_delays;
    return run_until(
        [&] {
            if (machine_.now() < next_look) {
                return false;
            }
            next_look = machine_.now() + 20ms;
            if (!process_->is_dead() && process_->is_at_rest() && process_->needs_restart()) {
                process_->die("its end, because its log takes no decisions");
                next_look = machine_.now() + 3s;
                return false;
            }
            const auto is_ours = [](const auto& entry) {
                return entry.second.rows.empty() || entry.second.rows.front() != kForeignRow;
            };
            const bool is_server_settled = std::ranges::all_of(servers_, [&](const auto& server) {
                return server->open_branches() == 0 && server->decisions_of(log).empty() &&
                       std::ranges::none_of(server->prepared(), is_ours);
            });
            return !process_->is_dead() && process_->is_settled() && is_server_settled;
        },
        kPatience);
}

void World::check_foreign() {
    for (const auto& [server, xid] : foreign_) {
        if (!servers_[server]->prepared().contains(xid)) {
            oracle_.report({"only ours",
                            fmt::format("{} does not hold the foreign branch {} any more",
                                        servers_[server]->name(), xid.gtrid),
                            std::nullopt});
        }
    }
    for (const auto& server : servers_) {
        if (server->decisions_of(kOtherLog.to_string()).size() != 1) {
            oracle_.report({"only ours",
                            fmt::format("{} does not hold the decision of another log any more",
                                        server->name()),
                            std::nullopt});
        }
    }
}

WorldReport World::live() {
    while (oracle_.counts().transactions < options_.transactions && !oracle_.violation()) {
        begin_round();
        // Ends also when nothing ever happens any more.
        run_until(
            [this] {
                return left_in_round_ == 0 && process_->is_at_rest() && !process_->is_dead();
            },
            1h);
        const bool has_settled = settle();
        if (!oracle_.violation()) {
            check_foreign();
            oracle_.check_settled(servers_, process_->open_decisions(), disk_.id.to_string());
        }
        if (!has_settled) {
            oracle_.report({"recovery comes to rest", process_->unsettled(), std::nullopt});
        }
        mix(static_cast<std::uint64_t>(machine_.now().count()));
    }
    report_.rounds = round_;
    report_.counts = oracle_.counts();
    report_.virtual_time = machine_.now();
    report_.violation = oracle_.violation();
    // Take the last process down before what it works with.
    options_.is_everything_traced = false;
    options_.traced.reset();
    if (!process_->is_dead()) {
        process_->die("the end of the world");
        --report_.process_deaths;
    }
    while (!process_->has_ended()) {
        machine_.step();
    }
    process_.reset();
    return std::move(report_);
}

void World::heard(Event event, const SimulatedServer& server, std::uint64_t session,
                  const Request& request, const Answer* answer) {
    mix(static_cast<std::uint64_t>(machine_.now().count()));
    mix((session << 16U) ^ (static_cast<std::uint64_t>(event) << 8U) ^
        static_cast<std::uint64_t>(request.verb));
    if (event == Event::sent && !request.arguments.empty()) {
        oracle_.sends(request.xid.gtrid, std::get<std::uint64_t>(request.arguments.front()));
    }
    mix(answer == nullptr ? 99 : static_cast<std::uint64_t>(answer->code));
    report_.cuts += event == Event::cut ? 1 : 0;
    report_.lost_answers += event == Event::lost ? 1 : 0;
    if (!is_traced(request.xid.gtrid)) {
        return;
    }
    const auto who = event == Event::carried_out
                         ? fmt::format("{} in session {}", server.name(), session)
                         : fmt::format("session {} of {}", session, server.name());
    note(fmt::format("{} {} {}{}{}", who, to_string(event), to_string(request.verb),
                     request.xid.bqual.empty() ? "" : " " + request.xid.bqual,
                     answer == nullptr ? "" : fmt::format(": {}", to_string(answer->code))));
}

void World::noted(const std::string& gtrid, std::string_view words) {
    if (is_traced(gtrid)) {
        note(fmt::format("{} [{}]", words, gtrid));
    }
}

bool World::is_traced(const std::string& gtrid) const {
    return options_.is_everything_traced ||
           (options_.traced && oracle_.is_part(*options_.traced, gtrid));
}

void World::note(const std::string& text) {
    if (options_.traced || options_.is_everything_traced) {
        report_.trace.push_back(
            fmt::format("{:>12.3f} ms  {}",
                        std::chrono::duration<double, std::milli>{machine_.now()}.count(), text));
    }
}

}  // namespace

WorldReport simulate(const WorldOptions& options) {
    boost::log::core::get()->set_logging_enabled(false);  // a trace says more, and only when asked
    return World{options}.live();
}

WorldReport simulate_and_explain(const WorldOptions& options) {
    auto report = simulate(options);
    if (report.violation && !options.is_everything_traced) {
        auto traced = options;
        traced.traced = report.violation->transaction.value_or(0);
        report.trace = simulate(traced).trace;
    }
    return report;
}

}  // namespace xa_tm::simulation
