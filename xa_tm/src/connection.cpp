#include "xa_tm/connection.h"

namespace xa_tm {

Answer not_carried_out() {
    return {.code = XaCode::proto,
            .message = "not carried out, because what had to come before it failed"};
}

std::string_view to_string(Severity severity) noexcept {
    switch (severity) {
        case Severity::good: return "good";
        case Severity::notice: return "notice";
        case Severity::bad: return "bad";
    }
    return "not a severity";
}

}  // namespace xa_tm
