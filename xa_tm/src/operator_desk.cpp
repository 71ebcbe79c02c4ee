#include "xa_tm/operator_desk.h"

namespace xa_tm {

std::string_view to_string(OrderVerb verb) noexcept {
    switch (verb) {
        case OrderVerb::commit: return "commit";
        case OrderVerb::rollback: return "rollback";
        case OrderVerb::forget: return "forget";
    }
    return "not an order";
}

}  // namespace xa_tm
