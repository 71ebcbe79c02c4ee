#include "owned_log.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "temporary_directory.h"

namespace xa_tm::bench {
namespace {

using namespace recovery_log;

constexpr std::chrono::milliseconds kHousekeepingPeriod{50};

std::vector<std::byte> body_of(std::uint64_t stamp) {
    std::vector<std::byte> body(kDecisionBytes, static_cast<std::byte>(stamp));
    std::memcpy(body.data(), &stamp, sizeof(stamp));
    return body;
}

}  // namespace

bool is_body_of(std::span<const std::byte> body, std::uint64_t stamp) noexcept {
    return std::ranges::equal(body, body_of(stamp));
}

bool is_body_of_a_decision(std::span<const std::byte> body) noexcept {
    std::uint64_t stamp = 0;
    if (body.size() < sizeof(stamp)) {
        return false;
    }
    std::memcpy(&stamp, body.data(), sizeof(stamp));
    return is_body_of(body, stamp);
}

Decider::Decider(RecoveryLog& log, unsigned thread, double kept_share)
    : log_{log}, kept_share_{kept_share}, next_stamp_{std::uint64_t{thread} << 40} {}

Reservation Decider::reserve() {
    auto reservation = log_.reserve(kDecisionBytes);
    if (!reservation) {
        throw std::runtime_error{"the log gives no reservation: " + log_.status().reason};
    }
    return std::move(*reservation);
}

std::vector<std::byte> Decider::next_body() {
    return body_of(next_stamp_++);
}

void Decider::settle(const Forced& forced, std::uint64_t stamp) {
    if (forced.result != ForceResult::durable) {
        throw std::runtime_error{"a force has failed: " + forced.reason};
    }
    ++settled_;
    if (static_cast<double>(kept_.size()) < static_cast<double>(settled_) * kept_share_) {
        kept_.push_back({forced.id, stamp});
    } else {
        log_.forget(forced.id);
    }
}

void verify_log(const std::filesystem::path& directory, const std::vector<Kept>& kept) {
    const auto image = read_log(directory);
    std::unordered_map<EntryId, const Entry*> found;
    for (const auto& entry : image.entries) {
        if (!is_body_of_a_decision(entry.body)) {
            throw VerificationFailed{fmt::format("entry {} of the log was never forced", entry.id)};
        }
        found.emplace(entry.id, &entry);
    }
    for (const auto& [id, stamp] : kept) {
        const auto entry = found.find(id);
        if (entry == found.end() || !is_body_of(entry->second->body, stamp)) {
            throw VerificationFailed{
                fmt::format("entry {} was acknowledged, and the log does not hold it", id)};
        }
    }
}

OwnedLog::OwnedLog(const std::filesystem::path& directory, const LogPlace& place)
    : log_{RecoveryLog::open({.directory = directory,
                              .node = std::string{kNode},
                              .segment_size_bytes = place.segment_size_bytes,
                              .copies = place.copies})},
      housekeeper_{[this](const std::stop_token& stop) {
          std::unique_lock lock{mutex_};
          while (!wake_.wait_for(lock, stop, kHousekeepingPeriod,
                                 [&] { return stop.stop_requested(); })) {
              log_->maintain();
          }
      }} {
    // What is measured is a log that has been at work for a while, not one that is being born.
    log_->maintain();
}

OwnedLog::~OwnedLog() {
    // The log must not go while it is being maintained.
    housekeeper_.request_stop();
    housekeeper_.join();
}

Counters OwnedLog::counters() const {
    const auto status = log_->status();
    return {.forces = status.forces, .syncs = status.syncs};
}

LogContender::LogContender(std::string_view how, LogPlace place)
    : name_{fmt::format("{}, {} cop{}", how, place.copies, place.copies == 1 ? "y" : "ies")},
      place_{std::move(place)} {}

Sample LogContender::run(const Load& load) {
    const test::TemporaryDirectory directory{place_.directory};
    return run_in(directory.path(), load);
}

Sample LogContender::run_in(const std::filesystem::path& directory, const Load& load) const {
    std::vector<std::vector<Kept>> kept(load.threads);
    Sample sample;
    {
        OwnedLog log{directory, place_};
        sample = measure(
            load, [&] { return log.counters(); },
            [&](unsigned thread, const Window& window) {
                Decider decider{*log, thread};
                auto tally = force_decisions(*log, decider, window);
                kept[thread] = decider.kept();
                return tally;
            });
    }
    std::vector<Kept> all;
    for (const auto& of_thread : kept) {
        all.insert(all.end(), of_thread.begin(), of_thread.end());
    }
    verify_log(directory, all);
    return sample;
}

}  // namespace xa_tm::bench
