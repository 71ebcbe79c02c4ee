#include "field.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "interruption.h"

namespace xa_tm::bench {

Field::Field(std::string where, const Progress& progress, Result& result)
    : where_{std::move(where)}, progress_{progress}, result_{result} {}

bool Field::run(const std::string& contender, const std::function<void()>& part) {
    if (is_interrupted()) {
        throw Interrupted{};
    }
    try {
        part();
        return true;
    } catch (const Interrupted&) {
        throw;
    } catch (const std::exception& error) {
        std::string why = error.what();
        std::ranges::replace(why, '\n', ' ');  // servers point at what is wrong over several lines
        progress_.say(fmt::format("  {} is not measured here: {}", contender, why));
        result_.note_not_measured(contender, fmt::format("{}: {}", where_, why));
        return false;
    }
}

}  // namespace xa_tm::bench
