#include "ours_async.h"

#include <algorithm>
#include <thread>
#include <utility>  // Boost 1.74 forgets it

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "xa_tm/async_commit.h"

namespace xa_tm::bench {
namespace {

namespace asio = boost::asio;

/// Until the loop has nothing left to do.
void run_on(asio::io_context& loop, std::size_t threads) {
    std::vector<std::jthread> others;
    for (std::size_t i = 0; i < threads; ++i) {
        others.emplace_back([&loop] { loop.run(); });
    }
    others.clear();
    loop.restart();
}

}  // namespace

OursAsync::OursAsync(const Workload& workload)
    : workload_{workload}, manager_{workload, {.connections = workload.open}} {
    for (std::size_t i = 0; i < workload.open; ++i) {
        places_.push_back({.statements = statements_of(workload, i)});
    }
}

std::string OursAsync::settings() const {
    return fmt::format("xa_tm " XA_TM_VERSION
                       ", async_commit() on {} threads, {} transactions open at once, as many "
                       "connections a branch, execute(), defaults otherwise",
                       workload_.threads, workload_.open);
}

TurnResult OursAsync::run(const Turn& turn) {
    FirstErrors errors;
    std::uint64_t begun = 0;
    const auto start = Clock::now();
    const auto end = start + std::chrono::duration_cast<Clock::duration>(turn.time);
    while (Clock::now() < end) {
        const auto left = turn.transactions ? *turn.transactions - begun : places_.size();
        const auto size = std::min<std::size_t>(left, places_.size());
        if (size == 0) {
            break;
        }
        run_wave(size, errors);
        begun += size;
    }
    auto result = take_result(begun, Clock::now() - start);
    result.errors = errors.all();
    return result;
}

void OursAsync::run_wave(std::size_t size, FirstErrors& errors) {
    const auto places = std::span{places_}.first(size);
    asio::io_context loop{static_cast<int>(workload_.threads)};
    for (auto& place : places) {
        asio::post(loop, [this, &place, &errors] { open(place, errors); });
    }
    run_on(loop, workload_.threads);
    // All are open here.
    for (auto& place : places) {
        if (!place.work) {
            continue;
        }
        asio::post(loop, [&loop, &place, &errors] {
            place.commits = Clock::now();
            async_commit(loop.get_executor(), place.work->transaction,
                         [&place, &errors](const CommitReport& report) {
                             const auto now = Clock::now();
                             if (report.outcome() == Outcome::committed) {
                                 place.transactions_us.push_back(to_us(now - place.begun));
                                 place.commits_us.push_back(to_us(now - place.commits));
                             } else {
                                 errors.note(report.reason());
                             }
                             place.work.reset();
                         });
        });
    }
    run_on(loop, workload_.threads);
}

void OursAsync::open(Place& place, FirstErrors& errors) {
    place.begun = Clock::now();
    try {
        place.work.emplace(manager_.begin());
        for (std::size_t i = 0; i < place.statements.size(); ++i) {
            const auto& updates = place.statements[i].updates;
            place.work->branches[i].execute(updates[place.sequence % updates.size()].text);
        }
        ++place.sequence;
    } catch (const std::exception& error) {
        errors.note(error.what());
        place.work.reset();
    }
}

TurnResult OursAsync::take_result(std::uint64_t begun, Clock::duration time) {
    std::vector<float> transactions_us, commits_us;
    for (auto& place : places_) {
        for (auto [from, to] : {std::pair{&place.transactions_us, &transactions_us},
                                std::pair{&place.commits_us, &commits_us}}) {
            to->insert(to->end(), from->begin(), from->end());
            from->clear();
        }
    }
    const std::uint64_t committed = commits_us.size();
    return {.committed = committed,
            .failed = begun - committed,
            .seconds = std::chrono::duration<double>(time).count(),
            .transaction_us = quantiles_of(std::move(transactions_us)),
            .commit_us = quantiles_of(std::move(commits_us))};
}

}  // namespace xa_tm::bench
