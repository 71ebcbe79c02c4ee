// For targets that read no logs: mutations are made of their corpus alone.

#include "fuzz_target.h"

namespace xa_tm::test {

std::vector<FuzzInput> seeds_of(const std::filesystem::path&) {
    return {};
}

}  // namespace xa_tm::test
