#include "batch.h"

#include <algorithm>

#include <fmt/format.h>

#include "xa_tm/recovery_log/check.h"

namespace xa_tm::explorer {
namespace {

void append_courses(std::vector<Course>& courses, Course course, std::size_t member,
                    std::size_t end) {
    if (member == end) {
        courses.push_back(course);
        return;
    }
    for (const auto fate : {Fate::done, Fate::unexpected_rows}) {
        course.fates.at(member) = fate;
        append_courses(courses, course, member + 1, end);
    }
    for (const auto fate : {Fate::refused, Fate::broken}) {
        course.fates.at(member) = fate;
        courses.push_back(course);
    }
}

}  // namespace

std::vector<Course> courses_of(const CombinedWork::Trip& trip) {
    std::vector<Course> courses;
    if (trip.undo) {
        courses.push_back({.is_undo_refused = true});
    }
    append_courses(courses, {}, trip.begin, trip.end);
    return courses;
}

std::string to_string(const Course& course) {
    constexpr std::array fates{"-", "done", "unexpected rows", "refused", "broken"};
    std::string text{course.is_undo_refused ? "not undone" : ""};
    for (std::size_t member = 0; member < kMembersMax; ++member) {
        const auto fate = course.fates.at(member);
        if (fate != Fate::none) {
            text += fmt::format("{}{} {}", text.empty() ? "" : ", ", member,
                                fates.at(static_cast<std::size_t>(fate)));
        }
    }
    return text.empty() ? "undone" : text;
}

bool BranchWork::undo(std::size_t member) {
    const auto savepoint = std::ranges::find(steps_, Step{Kind::savepoint, member});
    if (savepoint == steps_.end()) {
        return is_lost_;
    }
    steps_.erase(savepoint + 1, steps_.end());
    return true;
}

void BranchWork::set_savepoint(std::size_t member) {
    std::erase(steps_, Step{Kind::savepoint, member});
    steps_.push_back({Kind::savepoint, member});
}

bool BranchWork::write(std::size_t member, bool has_unexpected_rows) {
    if (std::ranges::count(members(), member) > 0) {
        return false;
    }
    steps_.push_back({has_unexpected_rows ? Kind::unexpected_work : Kind::work, member});
    return true;
}

void BranchWork::lose() {
    steps_.clear();
    is_lost_ = true;
}

void BranchWork::release_savepoints() {
    std::erase_if(steps_, [](const Step& step) { return step.kind == Kind::savepoint; });
}

std::vector<std::size_t> BranchWork::members() const {
    std::vector<std::size_t> members;
    for (const auto& step : steps_) {
        if (step.kind != Kind::savepoint) {
            members.push_back(step.member);
        }
    }
    return members;
}

bool BranchWork::has_unexpected_rows() const {
    return std::ranges::count(steps_, Kind::unexpected_work, &Step::kind) > 0;
}

std::uint32_t BranchWork::number() const {
    constexpr unsigned kStepBits = 4;
    XA_TM_CHECK(steps_.size() <= kBits / kStepBits, "there is a place for every step");
    std::uint32_t number = is_lost_ ? 1 : 0;
    for (const auto& step : steps_) {
        const auto kind = static_cast<std::size_t>(step.kind) * kMembersMax;
        number = number << kStepBits | static_cast<std::uint32_t>(1 + kind + step.member);
    }
    return number;
}

}  // namespace xa_tm::explorer
