#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "decision_record.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::test {

/// A log in memory whose next answers a test chooses.
class ScriptedLog final : public recovery_log::RecoveryLog {
public:
    [[nodiscard]] recovery_log::LogId id() const noexcept override {
        return recovery_log::LogId{1};
    }
    [[nodiscard]] const std::string& node() const noexcept override { return node_; }
    [[nodiscard]] std::uint32_t incarnation() const noexcept override { return 1; }
    [[nodiscard]] std::uint32_t quarantined_through() const noexcept override { return 0; }
    [[nodiscard]] std::vector<recovery_log::Entry> live_entries() const override { return {}; }
    [[nodiscard]] std::optional<recovery_log::Reservation> reserve(std::size_t bytes) override {
        if (health != recovery_log::Health::healthy) {
            return std::nullopt;
        }
        reserved += bytes;
        return std::optional<recovery_log::Reservation>{std::in_place, *this, bytes};
    }
    [[nodiscard]] recovery_log::Forced force(recovery_log::Reservation reservation,
                                             std::span<const std::byte> body) noexcept override {
        EXPECT_LE(body.size(), reservation.bytes());
        if (result != recovery_log::ForceResult::durable) {
            return {.result = result, .id = 0, .reason = "the disk said no"};
        }
        entries.push_back(decode(body).value());
        return {.result = result, .id = entries.size(), .reason = {}};
    }
    [[nodiscard]] std::vector<recovery_log::Forced> force_many(
        std::vector<recovery_log::ForceRequest> requests) override {
        std::vector<recovery_log::Forced> answers;
        for (auto& request : requests) {
            answers.push_back(force(std::move(request.reservation), request.body));
        }
        return answers;
    }
    void force_async(recovery_log::Reservation reservation, std::vector<std::byte> body,
                     recovery_log::Completion completion) override {
        auto answer = [this, body = std::move(body), completion = std::move(completion),
                       space = std::make_shared<recovery_log::Reservation>(
                           std::move(reservation))] { completion(force(std::move(*space), body)); };
        if (is_holding_answers) {
            held_answer = std::move(answer);
        } else {
            answer();
        }
    }
    void maintain() noexcept override { ++maintained; }
    void forget(recovery_log::EntryId id) noexcept override { forgotten.push_back(id); }
    [[nodiscard]] recovery_log::LogStatus status() const override {
        const auto seen = health.load();
        return {seen,
                seen == recovery_log::Health::healthy ? "" : "the disk said no",
                entries.size(),
                entries.size(),
                entries.size() - forgotten.size(),
                0,
                0};
    }

    std::atomic<recovery_log::Health> health{recovery_log::Health::healthy};
    std::atomic<int> maintained{0};
    recovery_log::ForceResult result = recovery_log::ForceResult::durable;
    std::vector<LogRecord> entries;
    std::vector<recovery_log::EntryId> forgotten;
    std::size_t reserved = 0;
    /// While true, what force_async() was given is done by held_answer, for the test to call.
    bool is_holding_answers = false;
    std::function<void()> held_answer;

private:
    void release(std::size_t bytes) noexcept override { reserved -= bytes; }

    std::string node_ = "shop-1";
};

}  // namespace xa_tm::test
