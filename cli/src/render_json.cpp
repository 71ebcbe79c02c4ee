#include "render_json.h"

#include <nlohmann/json.hpp>

#include "foreign_xid.h"
#include "json_document.h"
#include "report_view.h"

namespace xa_tm::cli {
namespace {

using Json = nlohmann::ordered_json;

/// What may be missing.
Json text_or_null(const std::string& text) {
    return text.empty() ? Json{} : Json(text);
}

Json maker_of(const RecoveryBranch& branch) {
    const auto foreign = decode_foreign(branch.xid, branch.name);
    if (!foreign) {
        return {};
    }
    Json json{{"product", foreign->product}, {"parts", Json::array()}};
    for (const auto& part : foreign->parts) {
        json["parts"].push_back({{"name", part.name}, {"value", part.value}});
    }
    return json;
}

Json log_of(const RecoveryLogSummary& log) {
    Json json{{"path", log.path.string()},
              {"node", log.node},
              {"id", log.id.to_string()},
              {"epoch", log.incarnation},
              {"owner", nullptr},
              {"quarantined_through", log.quarantined_through},
              {"doubt", text_or_null(log.doubt)}};
    if (log.owner) {
        json["owner"] = Json{{"pid", log.owner->pid}, {"host", log.owner->host}};
    }
    return json;
}

Json resource_of(const RecoveryResource& resource) {
    return {{"name", resource.name},
            {"kind", resource.kind},
            {"reachable", resource.is_reachable},
            {"error", resource.is_reachable ? Json{} : Json(resource.error)},
            {"unended_session", text_or_null(resource.unended_session)},
            {"doubt", text_or_null(resource.doubt)},
            {"server", text_or_null(resource.server)}};
}

Json branch_of(TransactionState state, const RecoveryBranch& branch) {
    Json json{{"resource", branch.resource},
              {"format_id", nullptr},
              {"gtrid_hex", nullptr},
              {"bqual_hex", nullptr},
              {"state", to_string(branch.state)},
              {"name", text_or_null(branch.name)},
              {"action", to_string(done_or_to_do(branch))},
              {"reason", branch.reason},
              {"heuristic", nullptr},
              {"server", text_or_null(branch.server)},
              {"evidence", text_or_null(branch.evidence)},
              {"made_by", state == TransactionState::foreign ? maker_of(branch) : Json{}}};
    if (branch.heuristic) {
        json["heuristic"] = to_string(*branch.heuristic);
    }
    if (branch.xid) {
        json["format_id"] = branch.xid->format_id;
        json["gtrid_hex"] = to_hex(branch.xid->gtrid);
        json["bqual_hex"] = to_hex(branch.xid->bqual);
    }
    return json;
}

Json transaction_of(const RecoveryTransaction& transaction) {
    Json json{{"gtrid", transaction.gtrid},
              {"state", to_string(transaction.state)},
              {"age_s", nullptr},
              {"action", to_string(done_or_to_do(transaction))},
              {"reason", transaction.reason()},
              {"waits_for_a_person", waits_for_a_person(transaction)},
              {"branches", Json::array()}};
    if (transaction.age) {
        json["age_s"] = transaction.age->count();
    }
    for (const auto& branch : transaction.branches) {
        json["branches"].push_back(branch_of(transaction.state, branch));
    }
    return json;
}

}  // namespace

nlohmann::ordered_json report_json(const RecoveryReport& report) {
    Json json{
        {"log", log_of(report.log)}, {"resources", Json::array()}, {"transactions", Json::array()}};
    for (const auto& resource : report.resources) {
        json["resources"].push_back(resource_of(resource));
    }
    for (const auto& transaction : report.transactions) {
        json["transactions"].push_back(transaction_of(transaction));
    }
    return json;
}

std::string render_json(const RecoveryReport& report) {
    return document(report_json(report));
}

}  // namespace xa_tm::cli
