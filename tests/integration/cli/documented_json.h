#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace xa_tm::test {

/// Fails the test when the document holds a key, or a type, that the section of docs/json.md on
/// this command ("list", "log verify") does not name; or when its first key is not the schema.
void expect_documented(const std::string& command, const nlohmann::ordered_json& document);

}  // namespace xa_tm::test
