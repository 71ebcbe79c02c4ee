#include "field.h"

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
        progress_.say(fmt::format("  {} is not measured here: {}", contender, error.what()));
        result_.note_not_measured(contender, fmt::format("{}: {}", where_, error.what()));
        return false;
    }
}

}  // namespace xa_tm::bench
