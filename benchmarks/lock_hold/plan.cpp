#include "plan.h"

#include <algorithm>

namespace xa_tm::bench {
namespace {

/// The delay at which trips are counted: long beside what a contender needs to send to one branch
/// after the other, so that what it sends at once is seen to be at once.
constexpr double kCountingMs = 1;

using Names = std::vector<std::string>;

Names base_servers(const std::vector<Resource>& resources) {
    return {resources.at(0).name, resources.at(1).name};
}

Names of_kind(const std::vector<Resource>& resources, Kind kind) {
    Names names;
    for (const auto& resource : resources) {
        if (resource.kind == kind) {
            names.push_back(resource.name);
        }
    }
    return names;
}

/// Two of each kind, and the first with a MySQL.
std::vector<Names> other_servers(const std::vector<Resource>& resources) {
    std::vector<Names> sets;
    for (const auto kind : {Kind::postgres, Kind::mariadb, Kind::mysql}) {
        auto names = of_kind(resources, kind);
        if (names.size() >= 2) {
            names.resize(2);
            sets.push_back(names);
        }
    }
    const auto mysql = of_kind(resources, Kind::mysql);
    if (!mysql.empty() && mysql.front() != resources.front().name) {
        sets.push_back({resources.front().name, mysql.front()});
    }
    std::erase(sets, base_servers(resources));
    return sets;
}

void add_once(std::vector<Cell>& cells, const Cell& cell) {
    if (std::ranges::find(cells, cell) == cells.end()) {
        cells.push_back(cell);
    }
}

Cell with(Cell cell, void (*change)(Cell&)) {
    change(cell);
    return cell;
}

/// A hot row, and cold ones, by which those are judged that hold its lock shorter or share it.
void add_hot_cells(std::vector<Cell>& cells, const Cell& base) {
    for (const double rtt_ms : {0.0, 1.0}) {
        for (const unsigned branches : {2U, 4U}) {
            auto cell = base;
            cell.rtt_ms = rtt_ms;
            cell.branches = branches;
            add_once(cells, cell);
            add_once(cells, with(cell, [](Cell& crowded) { crowded.threads = kCrowd; }));
            add_once(cells, with(cell, [](Cell& cold) { cold.rows = Rows::cold; }));
        }
    }
}

void add_criteria_cells(std::vector<Cell>& cells, const Cell& base) {
    for (const unsigned branches : {2U, 4U}) {
        auto cell = base;
        cell.branches = branches;
        cell.rtt_ms = 1;
        add_once(cells, cell);
        cell.rows = Rows::cold;
        add_once(cells, cell);
        cell.threads = 1;
        cell.rtt_ms = 0;
        add_once(cells, cell);
    }
    for (const unsigned branches : {2U, 8U}) {
        auto cell = base;
        cell.branches = branches;
        cell.threads = 1;
        cell.rtt_ms = 1;
        cell.rows = Rows::cold;
        add_once(cells, cell);
    }
}

}  // namespace

Plan full_plan(const std::vector<Resource>& resources, unsigned open) {
    Plan plan;
    const Cell base{.servers = base_servers(resources)};
    plan.cells.push_back(base);
    for (const double rtt_ms : {0.4, 1.0, 5.0}) {
        auto cell = base;
        cell.rtt_ms = rtt_ms;
        add_once(plan.cells, cell);
    }
    for (const unsigned branches : {1U, 4U, 8U}) {
        auto cell = base;
        cell.branches = branches;
        add_once(plan.cells, cell);
    }
    add_criteria_cells(plan.cells, base);
    add_hot_cells(plan.cells, base);
    for (const unsigned threads : {1U, 4U, 16U}) {
        auto cell = base;
        cell.threads = threads;
        add_once(plan.cells, cell);
    }
    const auto others = other_servers(resources);
    for (const auto& servers : others) {
        auto cell = base;
        cell.servers = servers;
        add_once(plan.cells, cell);
    }
    add_once(plan.cells, with(base, [](Cell& cell) { cell.read_only_share = 0.5; }));

    auto one = base;
    one.threads = 1;
    for (const unsigned branches : {1U, 2U, 4U, 8U}) {
        one.branches = branches;
        one.rtt_ms = kCountingMs;
        plan.counted.push_back(one);
        plan.hold.push_back(one);
    }
    one.branches = 2;
    for (const double rtt_ms : {0.0, 0.4, 5.0}) {
        one.rtt_ms = rtt_ms;
        plan.hold.push_back(one);
    }
    one.rtt_ms = kCountingMs;
    for (const auto& servers : others) {
        one.servers = servers;
        plan.counted.push_back(one);
    }
    for (const double rtt_ms : {0.0, 1.0}) {
        plan.many_open.push_back({base.servers, rtt_ms, open});
    }
    for (const char* log : {"durable", "none"}) {
        for (const unsigned threads : {1U, 16U, 64U, 256U}) {
            plan.alone.push_back({log, threads});
        }
    }
    plan.has_memory = true;
    return plan;
}

Plan quick_plan(const std::vector<Resource>& resources, unsigned open) {
    Plan plan;
    const Cell base{.servers = base_servers(resources)};
    plan.cells.push_back(base);
    plan.cells.push_back(with(base, [](Cell& cell) { cell.rtt_ms = 1; }));
    auto one = base;
    one.threads = 1;
    one.rtt_ms = kCountingMs;
    plan.hold.push_back(one);
    plan.counted.push_back(one);
    plan.many_open.push_back({base.servers, 0, open});
    return plan;
}

}  // namespace xa_tm::bench
