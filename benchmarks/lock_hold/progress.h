#pragma once

#include <chrono>
#include <string>

namespace xa_tm::bench {

/// Tells a person what is running and how long all of it will still take.
///
/// Ownership: a value.
/// Thread safety: one thread at a time.
class Progress {
public:
    explicit Progress(double planned_seconds);
    /// A part begins that was planned to take so long.
    void begin(const std::string& what, double planned_seconds);
    /// Inside the part; on a terminal only, where the line is written over.
    void step(const std::string& what) const;
    /// Something that a person has to know.
    void say(const std::string& what) const;

private:
    [[nodiscard]] std::string time_left() const;

    bool is_terminal_;
    std::chrono::steady_clock::time_point start_;
    double planned_;
    double done_ = 0;     ///< of planned_, before this part
    double current_ = 0;  ///< of planned_, this part
};

}  // namespace xa_tm::bench
