#include "holdings.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "answers.h"
#include "verb_statements.h"
#include "xid_literal.h"

namespace xa_tm::mysql {
namespace {

/// InnoDB answers from a copy that it renews only when nobody has read it for 0.1 s.
constexpr const char* kWaitForNewCopy = "do sleep(0.11)";
constexpr int kAccessDenied = 1227;
constexpr int kTableAccessDenied = 1142;

/// performance_schema shows a part of an xid as it is when it can be printed, else as 0x….
std::string is_part(std::string_view column, std::string_view part) {
    return fmt::format(
        "(cast(coalesce({0}, '') as binary) = x'{1}' or lower({0}) = lower('0x{1}'))", column,
        to_hex(part));
}

/// Transactions of the engine that belong to no session: prepared ones whose session has ended or
/// let go of them, and what the server rolls back by itself after a crash.
constexpr const char* kWithoutSession =
    "select trx_id, trx_tables_locked, trx_rows_locked from information_schema.innodb_trx "
    "where trx_mysql_thread_id = 0";

/// Those whose locks were taken while their thread was at this xid.
std::string tied_statement(const Xid& xid) {
    const auto is_branch =
        fmt::format("xid_format_id = {} and {} and {}", xid.format_id,
                    is_part("xid_gtrid", xid.gtrid), is_part("xid_bqual", xid.bqual));
    return fmt::format(
        "select distinct l.engine_transaction_id from performance_schema.data_locks l join ("
        "select thread_id, event_id, end_event_id "
        "from performance_schema.events_transactions_current where {0} union all "
        "select thread_id, event_id, end_event_id "
        "from performance_schema.events_transactions_history where {0}) e "
        "on l.thread_id = e.thread_id and l.event_id >= e.event_id "
        "and (e.end_event_id is null or l.event_id <= e.end_event_id)",
        is_branch);
}

// The columns of the details are object, mode and count of locks; number, user, seconds and
// statement of the sessions that wait for them, or for others that do.

std::vector<std::string> mysql_details(std::string_view transactions) {
    return {fmt::format("select concat('table ', object_schema, '.', object_name, "
                        "coalesce(concat(', index ', index_name), '')) as object, lock_mode, "
                        "count(*) from performance_schema.data_locks "
                        "where engine_transaction_id in ({}) and lock_status = 'GRANTED' "
                        "group by object, lock_mode order by object, lock_mode",
                        transactions),
            // Whoever waits for the metadata lock of a table that the branch has changed waits for
            // the branch, or behind somebody who does.
            fmt::format(
                "with recursive blocked(thread_id) as ("
                "select requesting_thread_id from performance_schema.data_lock_waits "
                "where blocking_engine_transaction_id in ({0}) union "
                "select owner_thread_id from performance_schema.metadata_locks m "
                "where lock_status = 'PENDING' and exists (select 1 from "
                "performance_schema.data_locks l where l.engine_transaction_id in ({0}) "
                "and l.object_schema = m.object_schema and l.object_name = m.object_name) union "
                "select w.requesting_thread_id from performance_schema.data_lock_waits w "
                "join blocked b on w.blocking_thread_id = b.thread_id) "
                "select t.processlist_id, t.processlist_user, t.processlist_time, "
                "left(t.processlist_info, 200) from blocked join performance_schema.threads t "
                "using (thread_id) order by t.processlist_time desc, t.processlist_id",
                transactions)};
}

std::vector<std::string> mariadb_details(std::string_view transactions) {
    return {fmt::format("select concat('table ', replace(lock_table, '`', ''), "
                        "coalesce(concat(', index ', lock_index), '')) as object, lock_mode, "
                        "count(*) from information_schema.innodb_locks "
                        "where lock_trx_id in ({}) "
                        "group by object, lock_mode order by object, lock_mode",
                        transactions),
            fmt::format("with recursive blocked(trx_id) as ("
                        "select requesting_trx_id from information_schema.innodb_lock_waits "
                        "where blocking_trx_id in ({0}) union "
                        "select w.requesting_trx_id from information_schema.innodb_lock_waits w "
                        "join blocked b on w.blocking_trx_id = b.trx_id) "
                        "select p.id, p.user, timestampdiff(second, t.trx_wait_started, now()), "
                        "left(p.info, 200) from blocked "
                        "join information_schema.innodb_trx t using (trx_id) "
                        "join information_schema.processlist p on p.id = t.trx_mysql_thread_id "
                        "order by t.trx_wait_started, p.id",
                        transactions)};
}

std::uint64_t number_from(const std::optional<std::string>& text) {
    std::uint64_t number = 0;
    if (text) {
        std::from_chars(text->data(), text->data() + text->size(), number);
    }
    return number;
}

}  // namespace

Examination::Examination(Xid xid, const ServerFacts& facts)
    : xid_{std::move(xid)}, is_mariadb_{facts.is_mariadb()} {}

std::vector<std::string> Examination::look() const {
    std::vector<std::string> statements{kWaitForNewCopy, list_statement(), kWithoutSession};
    if (!is_mariadb_) {
        statements.push_back(tied_statement(xid_));
    }
    return statements;
}

Examination::Step Examination::take(std::span<const Reply> replies) {
    return std::exchange(has_looked_, true) ? Step{detailed(replies)} : looked(replies);
}

Examination::Step Examination::looked(std::span<const Reply> replies) {
    const auto& list = replies[1];
    const auto& without_session = replies[2];
    if (!list.is_ok) {
        return failure_of(Verb::recover, list);
    }
    const auto branches = branches_from(list);
    if (std::ranges::find(branches, xid_, &ListedBranch::xid) == branches.end()) {
        return Answer{.code = XaCode::nota, .message = "no branch of this xid is prepared"};
    }
    if (!is_mariadb_ && replies[3].is_ok && !replies[3].rows.empty()) {
        for (const auto& row : replies[3].rows) {
            transactions_.push_back(fmt::to_string(number_from(row.at(0))));
        }
        return details();
    }
    if (!without_session.is_ok) {
        add_missing_right(without_session);
    }
    for (const auto& row : without_session.rows) {
        transactions_.push_back(fmt::to_string(number_from(row.at(0))));
        tables_locked_ += number_from(row.at(1));
        rows_locked_ += number_from(row.at(2));
    }
    if (without_session.is_ok && (transactions_.size() > 1 || branches.size() > 1)) {
        add_caveat(fmt::format(
            "the server does not tell which transaction of its engine this branch is: this is what "
            "all {} have that belong to no session, of {} branches that are prepared",
            transactions_.size(), branches.size()));
    } else if (transactions_.empty() && without_session.is_ok) {
        add_caveat("nothing is told of a branch while the session that prepared it is there");
    }
    if (transactions_.empty()) {
        if (!is_mariadb_ && !replies[3].is_ok) {
            add_missing_right(replies[3]);
        }
        return Answer{.holdings = std::move(holdings_)};
    }
    return details();
}

std::vector<std::string> Examination::details() const {
    const auto list = fmt::format("{}", fmt::join(transactions_, ","));
    return is_mariadb_ ? mariadb_details(list) : mysql_details(list);
}

Answer Examination::detailed(std::span<const Reply> replies) {
    const auto& locks = replies[0];
    const auto& blocked = replies[1];
    for (const auto& row : locks.rows) {
        holdings_.locks.push_back({.object = row.at(0).value_or(""),
                                   .mode = row.at(1).value_or(""),
                                   .count = number_from(row.at(2))});
    }
    for (const auto& row : blocked.rows) {
        holdings_.blocked.push_back(
            {.number = number_from(row.at(0)),
             .user = row.at(1).value_or(""),
             .waiting = std::chrono::seconds{static_cast<std::int64_t>(number_from(row.at(2)))},
             .statement = row.at(3).value_or("")});
    }
    if (is_mariadb_ || !locks.is_ok) {
        add_totals();
    }
    for (const auto* reply : {&locks, &blocked}) {
        if (!reply->is_ok) {
            add_missing_right(*reply);
        }
    }
    if (is_mariadb_) {
        add_caveat(
            "MariaDB names only the locks that somebody waits for, and does not tell who waits to "
            "alter or drop a table: show processlist has those as waiting for a metadata lock");
    }
    return Answer{.holdings = std::move(holdings_)};
}

/// How much is locked, where it is not told what.
void Examination::add_totals() {
    if (tables_locked_ > 0) {
        holdings_.locks.push_back({.object = {}, .mode = "table locks", .count = tables_locked_});
    }
    if (rows_locked_ > 0) {
        holdings_.locks.push_back({.object = {}, .mode = "row locks", .count = rows_locked_});
    }
}

void Examination::add_caveat(std::string text) {
    if (holdings_.caveat.find(text) == std::string::npos) {
        holdings_.caveat += (holdings_.caveat.empty() ? "" : "; ") + std::move(text);
    }
}

void Examination::add_missing_right(const Reply& reply) {
    if (reply.error == kAccessDenied) {
        add_caveat("grant PROCESS to this user to see what it holds and whom it blocks");
    } else if (reply.error == kTableAccessDenied) {
        add_caveat(
            "grant SELECT on performance_schema.* to this user to see which locks it holds and "
            "whom it blocks");
    } else {
        add_caveat(reply.message);
    }
}

}  // namespace xa_tm::mysql
