#include "report.h"

#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace xa_tm::bench {
namespace {

constexpr auto kRowFormat = "{:24} {:>7} {:>11} {:>8} {:>9} {:>9} {:>9} {:>8} {:>11} {:>8} {:>7}\n";

/// Three or four digits that say something, whatever the size.
std::string to_text(double number) {
    if (number >= 1e4) {
        return fmt::format("{:.0f}", number);
    }
    return number >= 100 ? fmt::format("{:.1f}", number) : fmt::format("{:.3f}", number);
}

std::string to_text(const Limit& limit) {
    switch (limit.kind) {
        case Limit::Kind::none: return "";
        case Limit::Kind::at_most: return fmt::format("<= {:g}", limit.threshold);
        case Limit::Kind::at_least: return fmt::format(">= {:g}", limit.threshold);
    }
    return "";
}

std::string verdict_of(const Figure& figure) {
    if (!figure.has_limit()) {
        return "";
    }
    return fmt::format("{}{}", figure.is_met() ? "met" : "NOT MET",
                       figure.is_within_noise() ? ", within the noise" : "");
}

void print_rows(const std::vector<Row>& rows) {
    fmt::print(kRowFormat, "contender", "threads", "decisions/s", "+-", "p50 us", "p99 us",
               "max us", "syncs", "per sync", "CPU us", "others");
    for (const auto& row : rows) {
        const auto median = [&](double Sample::*member) { return spread_of(row, member).median; };
        const auto rate = spread_of(row, &Sample::decisions_per_s);
        std::vector<double> syncs;
        for (const auto& sample : row.rounds) {
            syncs.push_back(static_cast<double>(sample.syncs));
        }
        fmt::print(kRowFormat, row.contender, row.threads, fmt::format("{:.0f}", rate.median),
                   fmt::format("{:.0f} %", 50 * (rate.high - rate.low) / rate.median),
                   fmt::format("{:.0f}", median(&Sample::p50_us)),
                   fmt::format("{:.0f}", median(&Sample::p99_us)),
                   fmt::format("{:.0f}", median(&Sample::max_us)),
                   fmt::format("{:.0f}", spread_of(syncs).median),
                   fmt::format("{:.1f}", median(&Sample::forces_per_sync)),
                   fmt::format("{:.2f}", median(&Sample::cpu_us_per_decision)),
                   fmt::format("{:.0f} %", 100 * median(&Sample::others_cpu_share)));
    }
}

void print_figures(const std::vector<Figure>& figures) {
    for (const auto& figure : figures) {
        const auto value = fmt::format("{} {}", to_text(figure.value.median), figure.unit);
        const auto rounds =
            fmt::format("[{} .. {}]", to_text(figure.value.low), to_text(figure.value.high));
        fmt::print("{:3} {:56} {:>15} {:22} {:>12}  {}\n", figure.criterion, figure.what, value,
                   rounds, to_text(figure.limit), verdict_of(figure));
    }
}

nlohmann::json to_json(const Spread& spread) {
    return {{"median", spread.median}, {"low", spread.low}, {"high", spread.high}};
}

nlohmann::json to_json(const Sample& sample) {
    return {{"decisions", sample.decisions},
            {"decisions_per_s", sample.decisions_per_s},
            {"mean_us", sample.mean_us},
            {"p50_us", sample.p50_us},
            {"p99_us", sample.p99_us},
            {"max_us", sample.max_us},
            {"syncs", sample.syncs},
            {"forces_per_sync", sample.forces_per_sync},
            {"cpu_us_per_decision", sample.cpu_us_per_decision},
            {"others_cpu_share", sample.others_cpu_share}};
}

nlohmann::json to_json(const Figure& figure) {
    nlohmann::json json{{"criterion", figure.criterion},
                        {"what", figure.what},
                        {"unit", figure.unit},
                        {"value", to_json(figure.value)}};
    if (figure.has_limit()) {
        json["limit"] = to_text(figure.limit);
        json["is_met"] = figure.is_met();
        json["is_within_noise"] = figure.is_within_noise();
    }
    return json;
}

}  // namespace

Spread spread_of(const Row& row, double Sample::*member) {
    std::vector<double> values;
    for (const auto& sample : row.rounds) {
        values.push_back(sample.*member);
    }
    return spread_of(std::move(values));
}

void print(const Answer& answer) {
    fmt::print("\n{}\n\n", answer.question);
    if (!answer.rows.empty()) {
        print_rows(answer.rows);
        fmt::print("\n");
    }
    print_figures(answer.figures);
    std::fflush(stdout);
}

nlohmann::json to_json(const Answer& answer) {
    nlohmann::json json{{"question", answer.question},
                        {"rows", nlohmann::json::array()},
                        {"figures", nlohmann::json::array()}};
    for (const auto& row : answer.rows) {
        nlohmann::json rounds = nlohmann::json::array();
        for (const auto& sample : row.rounds) {
            rounds.push_back(to_json(sample));
        }
        json["rows"].push_back(
            {{"contender", row.contender}, {"threads", row.threads}, {"rounds", rounds}});
    }
    for (const auto& figure : answer.figures) {
        json["figures"].push_back(to_json(figure));
    }
    return json;
}

}  // namespace xa_tm::bench
