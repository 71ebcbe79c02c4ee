#pragma once

#include <string>
#include <vector>

namespace xa_tm::bench {

/// The statements that a program without a transaction manager sends for one branch.
struct RawVerbs {
    std::string start;
    std::vector<std::string> prepare;  ///< what ends the work and asks for the vote
    std::string commit;
};

/// For the server of this URI; `id` names the branch and needs no quoting.
[[nodiscard]] RawVerbs raw_verbs(const std::string& uri, const std::string& id);

}  // namespace xa_tm::bench
