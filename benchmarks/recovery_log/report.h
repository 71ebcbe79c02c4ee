#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "measure.h"

namespace xa_tm::bench {

/// One contender with one number of threads, over all rounds.
struct Row {
    std::string contender;
    unsigned threads;
    std::vector<Sample> rounds;
};

/// What a figure must be to meet its criterion.
struct Limit {
    enum class Kind { none, at_most, at_least };
    Kind kind = Kind::none;
    double threshold = 0;
};

[[nodiscard]] constexpr Limit at_most(double threshold) noexcept {
    return {Limit::Kind::at_most, threshold};
}
[[nodiscard]] constexpr Limit at_least(double threshold) noexcept {
    return {Limit::Kind::at_least, threshold};
}

/// One number of an answer; without a limit it is there to be known.
struct Figure {
    std::string criterion;
    std::string what;
    std::string unit;
    Spread value;
    Limit limit{};

    [[nodiscard]] bool has_limit() const noexcept { return limit.kind != Limit::Kind::none; }
    [[nodiscard]] bool is_met() const noexcept { return meets(value.median); }
    /// The rounds disagree about whether it is met, so that the difference is noise.
    [[nodiscard]] bool is_within_noise() const noexcept {
        return meets(value.low) != meets(value.high);
    }

private:
    [[nodiscard]] bool meets(double number) const noexcept {
        return limit.kind == Limit::Kind::at_most ? number <= limit.threshold
                                                  : number >= limit.threshold;
    }
};

struct Answer {
    std::string question;
    std::vector<Row> rows;
    std::vector<Figure> figures;
};

/// The value of one member of Sample over the rounds.
[[nodiscard]] Spread spread_of(const Row& row, double Sample::*member);

void print(const Answer& answer);

[[nodiscard]] nlohmann::json to_json(const Answer& answer);

}  // namespace xa_tm::bench
