#include "page.h"

#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

#include "page_parts.h"

namespace xa_tm::bench {
namespace {

constexpr std::string_view kSchema = "xa-bench/1";

/// JSON that may stand inside a script element. HTML would end the element at "</script" and change
/// its meaning at "<!--"; in JSON these characters occur within strings only, where an escape says
/// the same.
std::string to_script_data(const nlohmann::json& result) {
    const auto text =
        result.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
    std::string data;
    data.reserve(text.size());
    for (const char c : text) {
        switch (c) {
            case '<': data += "\\u003c"; break;
            case '>': data += "\\u003e"; break;
            case '&': data += "\\u0026"; break;
            default: data += c;
        }
    }
    return data;
}

/// Appends the template up to the mark, then what the mark stands for; leaves what comes behind.
void fill(std::string& page, std::string_view& rest, std::string_view mark,
          std::initializer_list<std::string_view> parts) {
    const auto at = rest.find(mark);
    if (at == std::string_view::npos) {
        throw std::logic_error(fmt::format("page.html has no {} where it is expected", mark));
    }
    page += rest.substr(0, at);
    for (const auto part : parts) {
        page += part;
    }
    rest.remove_prefix(at + mark.size());
}

}  // namespace

std::string render_page(const nlohmann::json& result) {
    if (!result.is_object() || result.value("schema", nlohmann::json{}) != kSchema) {
        throw std::invalid_argument(fmt::format(
            "the result is not of schema {}; make it with this version of scripts/bench", kSchema));
    }
    std::string page;
    std::string_view rest = page_parts::page_html;
    fill(page, rest, "{{style}}", {page_parts::page_css});
    fill(page, rest, "{{result}}", {to_script_data(result)});
    fill(page, rest, "{{script}}", {page_parts::charts_js, page_parts::report_js});
    page += rest;
    return page;
}

}  // namespace xa_tm::bench
