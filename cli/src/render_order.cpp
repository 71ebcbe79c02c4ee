#include "render_order.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "json_document.h"
#include "text.h"

namespace xa_tm::cli {
namespace {

using Json = nlohmann::ordered_json;

bool has_ended_as_ordered(OrderVerb verb, const RecoveryBranch& branch) noexcept {
    switch (verb) {
        case OrderVerb::commit:
            return branch.state == RecoveredState::committed ||
                   branch.state == RecoveredState::finished;
        case OrderVerb::rollback: return branch.state == RecoveredState::rolled_back;
        case OrderVerb::forget: return branch.state == RecoveredState::finished;
    }
    return false;
}

std::string_view permission_text(Permission permission) {
    switch (permission) {
        case Permission::granted: return "granted";
        case Permission::needs_force: return "needs --force";
        case Permission::needs_confirmation: return "needs a confirmation";
        case Permission::refused: return "refused";
    }
    return "";
}

Colour colour_of(Permission permission) {
    switch (permission) {
        case Permission::granted: return Colour::green;
        case Permission::needs_force: return Colour::yellow;
        case Permission::needs_confirmation:
        case Permission::refused: return Colour::red;
    }
    return Colour::plain;
}

std::string head_of(const Order& order, bool has_colour) {
    auto text = painted(fmt::format("{} {}", to_string(order.verb), printable(order.gtrid)),
                        Colour::bold, has_colour);
    if (!order.resource.empty()) {
        text += fmt::format(", only at {}", printable(order.resource));
    }
    text += '\n';
    if (!order.reason.empty()) {
        text += wrapped(
            fmt::format("ordered by {}: {}", printable(order.who), printable(order.reason)), 2);
    }
    return text;
}

std::string branches_text(const std::vector<RecoveryBranch>& branches, bool has_reasons) {
    std::size_t width = 0;
    for (const auto& branch : branches) {
        width = std::max(width, branch.resource.size());
    }
    std::string text;
    for (const auto& branch : branches) {
        text += fmt::format("  {:<{}}  {}", branch.resource, width, to_string(branch.state));
        if (branch.heuristic) {
            text += fmt::format(" ({})", to_string(*branch.heuristic));
        }
        text += branch.name.empty() ? "\n" : fmt::format("  {}\n", printable(branch.name));
        if (has_reasons && !branch.reason.empty()) {
            text += wrapped(as_sentence(branch.reason), 4);
        }
    }
    return text;
}

/// The command line that carries the order out, as far as it can be told without a URI.
std::string command_of(const OrderView& view) {
    const auto& order = view.order;
    const auto& verdict = view.result.verdict;
    auto text = fmt::format("xa-recover {} {}", to_string(order.verb), shell_word(order.gtrid));
    if (!order.resource.empty()) {
        text += " --only " + shell_word(order.resource);
    }
    text += " --reason " + (order.reason.empty() ? "TEXT" : shell_word(order.reason));
    if (verdict.permission == Permission::needs_force) {
        text += " --force";
    }
    if (verdict.permission == Permission::needs_confirmation) {
        text += " --confirm " + verdict.confirmation;
    }
    return text + view.options;
}

std::string next_step(const OrderView& view) {
    const auto& verdict = view.result.verdict;
    if (verdict.permission == Permission::refused) {
        return "Nothing was done.\n";
    }
    std::string text;
    if (verdict.permission == Permission::needs_confirmation && !view.order.confirmation.empty() &&
        view.order.confirmation != verdict.confirmation) {
        text = wrapped(
            "The code that was given stands for other consequences: the state has "
            "changed since, or it was mistyped.",
            0);
    }
    return text + "Nothing was done. To do it, type:\n  " + command_of(view) + "\n";
}

std::string verdict_text(const OrderView& view, bool has_colour) {
    const auto& verdict = view.result.verdict;
    auto text = painted(std::string{permission_text(verdict.permission)},
                        colour_of(verdict.permission), has_colour) +
                "\n" + wrapped(as_sentence(verdict.why), 2);
    if (!verdict.branches.empty()) {
        text += "\nIt would act on\n" + branches_text(verdict.branches, false);
    }
    if (!verdict.consequences.empty()) {
        text += "\nWhat follows\n";
        for (const auto& consequence : verdict.consequences) {
            text += wrapped(as_sentence(consequence), 2);
        }
    }
    return text + "\n" + next_step(view);
}

std::string outcome_text(const OrderView& view) {
    if (is_carried_out(view)) {
        return "Done, and kept in the log: `xa-recover audit` shows it.\n";
    }
    return wrapped(
        "Not all of it is done; the order is kept in the log. Run the same command "
        "again when the reason is gone.",
        0);
}

Json branch_json(const RecoveryBranch& branch) {
    Json json{{"resource", branch.resource},
              {"format_id", nullptr},
              {"gtrid_hex", nullptr},
              {"bqual_hex", nullptr},
              {"name", branch.name.empty() ? Json{} : Json(branch.name)},
              {"state", to_string(branch.state)},
              {"heuristic", nullptr},
              {"reason", branch.reason}};
    if (branch.xid) {
        json["format_id"] = branch.xid->format_id;
        json["gtrid_hex"] = to_hex(branch.xid->gtrid);
        json["bqual_hex"] = to_hex(branch.xid->bqual);
    }
    if (branch.heuristic) {
        json["heuristic"] = to_string(*branch.heuristic);
    }
    return json;
}

Json branches_json(const std::vector<RecoveryBranch>& branches) {
    auto json = Json::array();
    for (const auto& branch : branches) {
        json.push_back(branch_json(branch));
    }
    return json;
}

}  // namespace

std::string render_order(const OrderView& view, bool has_colour) {
    auto text = head_of(view.order, has_colour);
    if (!view.result.is_carried_out) {
        return text + verdict_text(view, has_colour);
    }
    return text + branches_text(view.result.branches, true) + "\n" + outcome_text(view);
}

std::string render_order_json(const OrderView& view) {
    const auto& [order, result, is_dry_run, options] = view;
    const auto& verdict = result.verdict;
    return document(
        {{"order",
          {{"verb", to_string(order.verb)},
           {"gtrid", order.gtrid},
           {"resource", order.resource.empty() ? Json{} : Json(order.resource)},
           {"reason", order.reason},
           {"who", order.who}}},
         {"verdict",
          {{"permission", to_string(verdict.permission)},
           {"why", verdict.why},
           {"consequences", verdict.consequences},
           {"confirmation", verdict.confirmation.empty() ? Json{} : Json(verdict.confirmation)},
           {"branches", branches_json(verdict.branches)}}},
         {"dry_run", is_dry_run},
         {"carried_out", result.is_carried_out},
         {"done", is_carried_out(view)},
         {"branches", branches_json(result.branches)}});
}

bool is_carried_out(const OrderView& view) noexcept {
    return view.result.is_carried_out &&
           std::ranges::all_of(view.result.branches, [&](const RecoveryBranch& branch) {
               return has_ended_as_ordered(view.order.verb, branch);
           });
}

}  // namespace xa_tm::cli
