#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "combined_work.h"

namespace xa_tm::explorer {

inline constexpr std::size_t kMembersMax = 3;

/// What becomes of one member's statements in a branch.
enum class Fate : std::uint8_t {
    none,  ///< not sent, or not reached
    done,
    unexpected_rows,  ///< done, but with another number of rows than expected
    refused,          ///< not done, and nothing behind it
    broken,           ///< as a deadlock's victim: the branch can't go on
};

/// One way in which a trip of CombinedWork may go in a branch.
struct Course {
    bool is_undo_refused = false;
    std::array<Fate, kMembersMax> fates = {};

    friend bool operator==(const Course&, const Course&) = default;
};

/// All ways for this trip.
[[nodiscard]] std::vector<Course> courses_of(const CombinedWork::Trip& trip);
[[nodiscard]] std::string to_string(const Course& course);

/// The members' work in one branch between its savepoints, as its server has it.
class BranchWork {
public:
    /// Back to the member's savepoint. False when there is none.
    bool undo(std::size_t member);
    /// Takes the place of the member's savepoint before, if there is one.
    void set_savepoint(std::size_t member);
    /// False when the member's work is there already. Whoever has unexpected rows is to be undone.
    bool write(std::size_t member, bool has_unexpected_rows);
    /// Nothing is left, and no savepoint either. The server does not say so when it is told to go
    /// back to one, which is the worst that it may do: a branch that can't go on promises nothing.
    void lose();
    void release_savepoints();

    /// Whose work is there, in the order in which it was done.
    [[nodiscard]] std::vector<std::size_t> members() const;
    [[nodiscard]] bool has_unexpected_rows() const;

    static constexpr unsigned kBits = 25;
    /// Another one for each that differs.
    [[nodiscard]] std::uint32_t number() const;

private:
    enum class Kind : std::uint8_t { savepoint, work, unexpected_work };
    struct Step {
        Kind kind;
        std::size_t member;
        friend bool operator==(const Step&, const Step&) = default;
    };

    std::vector<Step> steps_;
    bool is_lost_ = false;
};

}  // namespace xa_tm::explorer
