#include "waiter.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

namespace xa_tm::bench {
namespace {

constexpr std::chrono::microseconds kPollPause{200};

/// What the poll of a free row must not do is to force the server's log, as a lock of PostgreSQL
/// does when its transaction ends.
constexpr auto kPostgresSession = "SET synchronous_commit = off; SET lock_timeout = '20s'";
constexpr auto kMysqlSession =
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; "
    "SET innodb_lock_wait_timeout = 20";

/// When it was granted, and how long ago. The clock of PostgreSQL stands outside of the select that
/// locks, because one beside the lock might be read before the row is waited for.
std::string waiting_select(Kind kind, const std::string& table) {
    if (kind == Kind::postgres) {
        return fmt::format(
            "SELECT granted_at, extract(epoch FROM clock_timestamp() - granted_at) * 1000000 "
            "FROM (SELECT granted_at FROM {} WHERE id = 1 FOR UPDATE) AS locked",
            table);
    }
    return fmt::format(
        "SELECT granted_at, TIMESTAMPDIFF(MICROSECOND, granted_at, SYSDATE(6)) "
        "FROM {} WHERE id = 1 FOR UPDATE",
        table);
}

}  // namespace

Waiter::Waiter(const Resource& resource, std::string table)
    : kind_{resource.kind}, table_{std::move(table)}, session_{resource.connect()} {
    session_->send(kind_ == Kind::postgres ? kPostgresSession : kMysqlSession);
    thread_ = std::thread{[this] {
        try {
            run();
        } catch (...) {
            failure_ = std::current_exception();
        }
    }};
}

Waiter::~Waiter() {
    is_stopping_ = true;
    if (thread_.joinable()) {
        thread_.join();
    }
}

std::vector<double> Waiter::stop() {
    is_stopping_ = true;
    thread_.join();
    if (failure_) {
        std::rethrow_exception(failure_);
    }
    return std::move(holds_us_);
}

void Waiter::run() {
    const auto select = waiting_select(kind_, table_);
    std::string last_granted_at;
    while (!is_stopping_) {
        if (!is_row_locked()) {
            std::this_thread::sleep_for(kPollPause);
            continue;
        }
        const auto row = session_->query(select).at(0);
        if (std::exchange(last_granted_at, row.at(0)) != row.at(0)) {
            holds_us_.push_back(std::stod(row.at(1)));
        }
    }
}

bool Waiter::is_row_locked() {
    return session_
        ->query(
            fmt::format("SELECT granted_at FROM {} WHERE id = 1 FOR UPDATE SKIP LOCKED", table_))
        .empty();
}

}  // namespace xa_tm::bench
