#pragma once

#include <string_view>

/// The files of this folder that make up the page, put into the program by embed.cmake.
namespace xa_tm::bench::page_parts {

extern const std::string_view page_html;
extern const std::string_view page_css;
extern const std::string_view charts_js;
extern const std::string_view report_js;

}  // namespace xa_tm::bench::page_parts
