// Writes a log with many threads until it is killed, and tells a file what it was promised.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "log_report.h"
#include "open_log.h"

namespace xa_tm::recovery_log {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using Random = std::mt19937_64;

/// So short that seals are written in the pauses between the forces of a slow writer.
constexpr milliseconds kIdle{1};
/// A thread that keeps more entries than this forgets one.
constexpr std::size_t kKeptMax = 6;

struct Settings {
    Options options;
    std::filesystem::path reports;
    std::uint32_t run = 1;
    std::uint32_t threads = 8;
    std::uint64_t seed = 0;
    std::uint64_t operations = 0;  ///< of each thread; 0 is no end
    microseconds pause_max{0};     ///< between the operations of a thread
};

bool one_in(unsigned n, Random& random) {
    return random() % n == 0;
}

/// Mostly like a decision; sometimes longer than a page, rarely as long as an entry may be.
std::uint64_t draw_bytes(Random& random) {
    if (one_in(300, random)) {
        return kEntryBytesMax - random() % 100;
    }
    return kBodyBytesMin + random() % (one_in(20, random) ? 12'000 : 300);
}

/// Ends the process at once: what a promise was broken by must not be hidden by what follows.
[[noreturn]] void fail(const std::string& message) {
    fmt::print(stderr, "{}\n", message);
    std::_Exit(2);
}

class Writer {
public:
    explicit Writer(const Settings& settings)
        : settings_{settings},
          reports_{
              ::open(settings.reports.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)},
          log_{open_log(posix_file_system(), settings.options, kIdle)} {}

    void run() {
        report_what_was_found();
        std::thread maintenance{[this] { maintain(); }};
        std::vector<std::thread> threads;
        for (std::uint32_t thread = 0; thread < settings_.threads; ++thread) {
            threads.emplace_back([this, thread] { write(thread); });
        }
        for (auto& thread : threads) {
            thread.join();
        }
        is_done_ = true;
        maintenance.join();
    }

private:
    void report(const Report& report) const { send_reports(reports_, {&report, 1}); }

    void report_what_was_found() {
        Random random{settings_.seed};
        const auto entries = log_->live_entries();
        for (const auto& entry : entries) {
            const auto origin = origin_of(entry.body);
            if (!origin) {
                fail(fmt::format("entry {} is not what was written", entry.id));
            }
            report({Report::Kind::found, entry.id, *origin});
        }
        report({Report::Kind::opened, 0, {}});
        for (const auto& entry : entries) {
            if (!one_in(4, random)) {
                forget(entry.id, *origin_of(entry.body));
            }
        }
    }

    void forget(EntryId id, const Origin& origin) {
        report({Report::Kind::forgetting, id, origin});
        log_->forget(id);
    }

    void maintain() {
        while (!is_done_) {
            log_->maintain();
            std::this_thread::sleep_for(kIdle);
        }
    }

    Reservation reserve(std::uint64_t bytes) {
        auto reservation = log_->reserve(bytes);
        if (!reservation) {
            fail("refused: " + log_->status().reason);
        }
        return std::move(*reservation);
    }

    static void check(const Forced& forced) {
        if (forced.result != ForceResult::durable) {
            fail("not durable: " + forced.reason);
        }
    }

    void keep(EntryId id, const Origin& origin) {
        const std::lock_guard guard{mutex_};
        kept_.emplace_back(id, origin);
    }

    void force_one(const Origin& origin) {
        const auto body = body_of(origin);
        const auto forced = log_->force(reserve(origin.bytes), std::as_bytes(std::span{body}));
        check(forced);
        report({Report::Kind::acknowledged, forced.id, origin});
        keep(forced.id, origin);
    }

    void force_many(std::span<const Origin> origins) {
        std::vector<std::string> bodies;
        std::transform(origins.begin(), origins.end(), std::back_inserter(bodies), body_of);
        std::vector<ForceRequest> requests;
        for (const auto& body : bodies) {
            requests.push_back({reserve(body.size()), std::as_bytes(std::span{body})});
        }
        const auto answers = log_->force_many(std::move(requests));
        std::vector<Report> reports;
        for (std::size_t i = 0; i < origins.size(); ++i) {
            check(answers[i]);
            reports.push_back({Report::Kind::acknowledged, answers[i].id, origins[i]});
        }
        send_reports(reports_, reports);
        for (std::size_t i = 0; i < origins.size(); ++i) {
            keep(answers[i].id, origins[i]);
        }
    }

    void force_async(const Origin& origin) {
        const auto body = body_of(origin);
        const auto bytes = std::as_bytes(std::span{body});
        ++unanswered_;
        log_->force_async(reserve(origin.bytes), {bytes.begin(), bytes.end()},
                          [this, origin](const Forced& forced) {
                              check(forced);
                              report({Report::Kind::acknowledged, forced.id, origin});
                              keep(forced.id, origin);
                              --unanswered_;
                          });
    }

    void forget_some(Random& random) {
        std::unique_lock lock{mutex_};
        while (kept_.size() > kKeptMax * settings_.threads) {
            std::swap(kept_[random() % kept_.size()], kept_.back());
            const auto [id, origin] = kept_.back();
            kept_.pop_back();
            lock.unlock();
            forget(id, origin);
            lock.lock();
        }
    }

    void write(std::uint32_t thread) {
        Random random{settings_.seed + thread};
        std::uint64_t number = 0;
        const auto next = [&] {
            return Origin{settings_.run, thread, number++, draw_bytes(random)};
        };
        for (std::uint64_t done = 0; settings_.operations == 0 || done < settings_.operations;
             ++done) {
            switch (random() % 4) {
                case 0: {
                    std::vector<Origin> origins(1 + random() % 8);
                    std::ranges::generate(origins, next);
                    force_many(origins);
                    break;
                }
                case 1: force_async(next()); break;
                default: force_one(next());
            }
            forget_some(random);
            if (settings_.pause_max.count() > 0) {
                const auto limit = static_cast<std::uint64_t>(settings_.pause_max.count());
                std::this_thread::sleep_for(microseconds{random() % limit});
            }
        }
        while (unanswered_ > 0) {
            std::this_thread::yield();
        }
    }

    const Settings& settings_;
    const int reports_;
    std::atomic<bool> is_done_{false};
    std::atomic<std::size_t> unanswered_{0};
    std::mutex mutex_;
    std::vector<std::pair<EntryId, Origin>> kept_;
    const std::unique_ptr<RecoveryLog> log_;  // last: its end may still answer
};

int run(int argc, const char* const* argv) {
    Settings settings;
    settings.options.node = "shop-1";
    std::uint64_t pause_max_us = 0;
    CLI::App app{"Writes a log until it is killed"};
    app.add_option("--directory", settings.options.directory)->required();
    app.add_option("--reports", settings.reports)->required();
    app.add_option("--run", settings.run);
    app.add_option("--threads", settings.threads);
    app.add_option("--copies", settings.options.copies);
    app.add_option("--segment-bytes", settings.options.segment_size_bytes);
    app.add_option("--seed", settings.seed);
    app.add_option("--operations", settings.operations);
    app.add_option("--pause-us", pause_max_us);
    CLI11_PARSE(app, argc, argv);
    settings.pause_max = microseconds{pause_max_us};
    Writer{settings}.run();
    return 0;
}

}  // namespace
}  // namespace xa_tm::recovery_log

int main(int argc, char** argv) {
    try {
        return xa_tm::recovery_log::run(argc, argv);
    } catch (const std::exception& error) {
        xa_tm::recovery_log::fail(error.what());
    }
}
