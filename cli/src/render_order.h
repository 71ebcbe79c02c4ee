#pragma once

#include <string>

#include "xa_tm/operator_desk.h"

/// What the rules say to a person's order, and what became of it, as text and as JSON.
namespace xa_tm::cli {

struct OrderView {
    const Order& order;
    const OrderResult& result;
    bool is_dry_run = false;
    /// The options that say where to look, as a person types them, each after a space.
    std::string options = {};
};

[[nodiscard]] std::string render_order(const OrderView& view, bool has_colour);
[[nodiscard]] std::string render_order_json(const OrderView& view);

/// True when every branch has ended as ordered.
[[nodiscard]] bool is_carried_out(const OrderView& view) noexcept;

}  // namespace xa_tm::cli
