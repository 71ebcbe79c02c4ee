#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

/// What every JSON document of the program has in common; docs/json.md describes them all.
namespace xa_tm::cli {

/// The first key of every document is `schema`, with this value. The number rises when a program
/// that reads the documents might have to change: docs/json.md has the rule.
inline constexpr std::string_view kJsonSchema = "xa-recover/1";

/// The object with its schema, two spaces deep, ended by a line break. Bytes that are not UTF-8 are
/// replaced.
[[nodiscard]] std::string document(const nlohmann::ordered_json& body);
/// The same in one line.
[[nodiscard]] std::string json_line(const nlohmann::ordered_json& body);

}  // namespace xa_tm::cli
