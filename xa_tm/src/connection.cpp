#include "xa_tm/connection.h"

#include <fmt/format.h>

namespace xa_tm {

Answer not_carried_out() {
    return {.code = XaCode::proto,
            .message = "not carried out, because what had to come before it failed"};
}

std::string to_string(const ServerDescription& description) {
    auto text = description.product;
    for (const auto& fact : description.facts) {
        text += fmt::format("\n  {}: {}", fact.name, fact.value);
        if (!fact.meaning.empty()) {
            text += fmt::format(" ({})", fact.meaning);
        }
    }
    return text;
}

}  // namespace xa_tm
