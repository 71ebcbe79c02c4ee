#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "audit.h"
#include "faults.h"

namespace xa_tm::test {

/// How a round ends: who clears up what the faults have left.
enum class Clearing {
    living_application,  ///< it goes on for a while, and is then asked to end
    xa_recover,          ///< the application is killed, and a person runs xa-recover resolve
    next_application,    ///< the application is killed, and the next one recovers
};

inline constexpr std::array kClearings{Clearing::living_application, Clearing::xa_recover,
                                       Clearing::next_application};

[[nodiscard]] std::string_view to_string(Clearing clearing) noexcept;

/// What a run has seen.
struct Summary {
    std::uint64_t seed = 0;
    std::vector<std::string> servers = {};
    std::chrono::seconds time{0};
    std::size_t rounds = 0;
    std::map<Fault, std::size_t> faults = {};
    std::map<std::string, std::size_t> servers_killed = {};
    /// Why a fault was never tried; empty when each was.
    std::string skipped = {};
    std::map<Clearing, std::size_t> clearings = {};
    /// Branches that were prepared when the application had been killed, to be cleared up.
    std::size_t in_doubt = 0;
    /// Applications that found the log in another's hands, or no space for it.
    std::size_t starts_refused = 0;
    /// Applications whose log was poisoned.
    std::size_t poisoned = 0;
    std::chrono::milliseconds longest_clearing{0};
    BankTally transactions = {};
    std::vector<std::string> violations = {};
    std::vector<std::string> stuck = {};
};

[[nodiscard]] std::string to_string(const Summary& summary);

}  // namespace xa_tm::test
