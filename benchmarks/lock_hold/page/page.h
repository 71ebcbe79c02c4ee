#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace xa_tm::bench {

/// A result of schema `xa-bench/1` as one HTML page that needs nothing but itself. The result lies
/// in it as data: no text of it can become markup or script. What a result lacks, the page says in
/// a sentence. Throws std::invalid_argument for another schema.
[[nodiscard]] std::string render_page(const nlohmann::json& result);

}  // namespace xa_tm::bench
