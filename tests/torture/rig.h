#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "audit.h"
#include "loop_disk.h"
#include "program.h"
#include "servers.h"
#include "summary.h"

namespace xa_tm::test {

struct RigOptions {
    std::uint64_t seed = 0;
    std::chrono::seconds time{0};
    /// Of the sandbox, 2 to kBankDatabasesMax.
    std::vector<std::string> servers = {};
    std::size_t threads = 8;
    /// Nothing but servers is killed, in one round for all of the time: what ThreadSanitizer shall
    /// see, which a process that is killed keeps to itself.
    bool is_only_servers = false;
    /// Made new: the log, what the application told and said, and when each fault came.
    std::filesystem::path directory = {};
    /// Why the log can't have a disk of its own, which could be filled; nothing when it can.
    std::optional<std::string> disk_obstacle = {};
};

/// Torments an application and everything that it stands on, round after round: faults at drawn
/// moments, then everything up again, recovery, and the judgement of every transaction so far.
///
/// Ownership: owns the application, the proxies and the log's disk; borrows the sandbox's servers.
/// Thread safety: one thread at a time.
class Rig {
public:
    explicit Rig(RigOptions options);
    Rig(const Rig&) = delete;
    Rig& operator=(const Rig&) = delete;
    ~Rig();

    /// Until the time is up, or something is violated or stuck.
    [[nodiscard]] Summary run();

private:
    using Clock = std::chrono::steady_clock;
    using Milliseconds = std::chrono::milliseconds;

    /// A fault that lasts, with what ends it.
    struct Lasting {
        Clock::time_point due;
        std::function<void()> end;
    };

    void run_round();
    void torment();
    void end_what_is_due(Clock::time_point now);
    void end_everything();

    // One each; false when it does not apply now.
    [[nodiscard]] bool inject(Fault fault);
    [[nodiscard]] bool kill_application();
    [[nodiscard]] bool pause_application();
    [[nodiscard]] bool kill_server();
    [[nodiscard]] bool pause_server();
    void cut_link();
    void delay_link();
    void lose_reply();
    [[nodiscard]] bool fill_disk();
    [[nodiscard]] bool run_tool();
    [[nodiscard]] bool kill_tool();

    void set_up_last_resources();

    void clear_up(Clearing clearing);
    void clear_up_by_living_application();
    void clear_up_by_tool();
    /// Also when the log is poisoned, so that only the next incarnation can.
    void clear_up_by_next_application();
    void kill_application_to_clear_up();
    void judge(std::int64_t first_id);

    void start_application(std::size_t threads);
    /// What has ended by itself is started again, if it may end so.
    void look_after_application();
    void look_after_tool();
    void judge_end_of_application(const Completed& end);
    [[nodiscard]] std::vector<std::string> tool_command(const std::string& verb) const;
    void read_outcomes();
    [[nodiscard]] bool is_failed() const;

    [[nodiscard]] TortureServer& any_server();
    [[nodiscard]] TortureServer* any_server_that_is_up();
    [[nodiscard]] std::uint64_t draw(std::uint64_t below);
    [[nodiscard]] Milliseconds draw(Milliseconds shortest, Milliseconds longest);
    void last(Milliseconds time, std::function<void()> end);
    void note(const std::string& event);

    RigOptions options_;
    std::mt19937_64 random_;
    std::optional<LoopDisk> disk_;
    std::filesystem::path log_;
    std::FILE* events_;
    Clock::time_point begun_ = Clock::now();
    std::list<TortureServer> servers_;
    std::optional<Program> application_;
    bool is_application_paused_ = false;
    std::optional<Program> tool_;
    bool is_tool_killed_ = false;
    std::list<Lasting> lasting_;
    std::streamoff outcomes_read_ = 0;
    std::int64_t next_first_id_ = 0;
    Audit audit_;
    Summary summary_;
};

}  // namespace xa_tm::test
