#include "render_audit.h"

#include <algorithm>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "json_document.h"
#include "text.h"

namespace xa_tm::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Something that a person did, as lines for a person.
struct Item {
    LogTime at;
    std::string text;
};

/// Readable when ours, in hexadecimal otherwise, as `list` shows it.
std::string name_of(const OperatorAct& act) {
    const bool is_ours = act.format_id == kFormatId && printable(act.gtrid) == act.gtrid;
    return is_ours ? act.gtrid : to_hex(act.gtrid);
}

std::string time_text(LogTime at) {
    return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", std::chrono::floor<std::chrono::seconds>(at));
}

std::string text_of(const OperatorAct& act) {
    auto text = fmt::format(
        "{}  {}  {} {}{}\n", time_text(act.ordered_at), printable(act.who), to_string(act.verb),
        name_of(act),
        act.resource.empty() ? "" : fmt::format(", only at {}", printable(act.resource)));
    text += wrapped(fmt::format("reason: {}", printable(act.reason)), 2);
    if (!act.overridden.empty()) {
        text += wrapped(fmt::format("overridden: {}", printable(act.overridden)), 2);
    }
    return text;
}

std::string text_of(const recovery_log::InspectedNote& note) {
    return time_text(note.at) + "\n" + wrapped(printable(note.text), 2);
}

Json json_of(const OperatorAct& act) {
    return {{"ordered_at_us", act.ordered_at.time_since_epoch().count()},
            {"who", act.who},
            {"verb", to_string(act.verb)},
            {"format_id", act.format_id},
            {"gtrid", name_of(act)},
            {"gtrid_hex", to_hex(act.gtrid)},
            {"resource", act.resource.empty() ? Json{} : Json(act.resource)},
            {"reason", act.reason},
            {"overridden", act.overridden.empty() ? Json{} : Json(act.overridden)}};
}

}  // namespace

std::string render_audit(const Audit& audit, bool has_colour) {
    std::vector<Item> items;
    for (const auto& act : audit.acts) {
        items.push_back({act.ordered_at, text_of(act)});
    }
    for (const auto& note : audit.notes) {
        items.push_back({note.at, text_of(note)});
    }
    std::ranges::stable_sort(items, {}, &Item::at);
    auto text = header_text(audit.log, has_colour) + "\n";
    for (const auto& item : items) {
        text += item.text;
    }
    return text + (items.empty() ? "Nobody has ordered anything.\n" : "");
}

std::string render_audit_json(const Audit& audit) {
    Json json{{"log", header_json(audit.log)}, {"orders", Json::array()}, {"notes", Json::array()}};
    for (const auto& act : audit.acts) {
        json["orders"].push_back(json_of(act));
    }
    for (const auto& note : audit.notes) {
        json["notes"].push_back(
            {{"at_us", note.at.time_since_epoch().count()}, {"text", note.text}});
    }
    return document(json);
}

}  // namespace xa_tm::cli
