#include "xa_tm/conformance/suite.h"

#include <algorithm>

namespace xa_tm::conformance {

std::string name_of(const testing::TestParamInfo<Kind>& info) {
    auto name = info.param.name;
    std::ranges::replace_if(
        name, [](char c) { return c == '-' || c == '.'; }, '_');
    return name;
}

}  // namespace xa_tm::conformance
