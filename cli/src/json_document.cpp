#include "json_document.h"

#include <nlohmann/json.hpp>

namespace xa_tm::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string dumped(const Json& body, int indent) {
    Json json{{"schema", kJsonSchema}};
    json.update(body);
    return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string document(const Json& body) {
    return dumped(body, 2);
}

std::string json_line(const Json& body) {
    return dumped(body, -1);
}

}  // namespace xa_tm::cli
