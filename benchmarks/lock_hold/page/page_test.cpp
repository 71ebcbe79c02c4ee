#include "page.h"

#include <stdexcept>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace xa_tm::bench {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kDataBegins = R"(<script type="application/json" id="result">)";
constexpr std::string_view kScriptEnds = "</script>";

/// What a browser takes for the text of the element that holds the result.
std::string data_of(const std::string& page) {
    const auto begin = page.find(kDataBegins) + kDataBegins.size();
    return page.substr(begin, page.find(kScriptEnds, begin) - begin);
}

std::size_t occurrences(std::string_view text, std::string_view part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) {
        ++count;
    }
    return count;
}

json with_text(const std::string& text) {
    return {{"schema", "xa-bench/1"}, {"machine", {{"cpu", text}}}, {"settings", {{text, text}}}};
}

TEST(LockHoldPage, HoldsTheWholeResultAsData) {
    const json result{{"schema", "xa-bench/1"}, {"cells", {{{"rtt_ms", 0.4}}}}};
    EXPECT_EQ(json::parse(data_of(render_page(result))), result);
}

TEST(LockHoldPage, LetsNoTextOfTheResultEndItsElement) {
    const auto empty = render_page(with_text(""));
    for (const std::string text :
         {R"(</script><script>alert("1")</script>)", "</SCRIPT >", "<!--<script>", "]]>&quot;'\"\\",
          "{{script}}", "\u2028\u2029 \u00b5s"}) {
        const auto page = render_page(with_text(text));
        EXPECT_EQ(json::parse(data_of(page)), with_text(text));
        EXPECT_THAT(data_of(page), Not(HasSubstr("<")));
        for (const std::string_view mark : {"<script", "</script", "<!--"}) {
            EXPECT_EQ(occurrences(page, mark), occurrences(empty, mark)) << text;
        }
    }
}

TEST(LockHoldPage, ReplacesBytesThatAreNotText) {
    EXPECT_EQ(json::parse(data_of(render_page(with_text("\xff")))), with_text("\ufffd"));
}

TEST(LockHoldPage, IsMadeOfAResultThatHoldsNothing) {
    EXPECT_THAT(render_page({{"schema", "xa-bench/1"}}), HasSubstr("</html>"));
}

TEST(LockHoldPage, NeedsNothingFromOutside) {
    const auto page = render_page({{"schema", "xa-bench/1"}});
    for (const auto* mark : {" src=", " href=", "@import", "url(", "fetch("}) {
        EXPECT_THAT(page, Not(HasSubstr(mark)));
    }
}

TEST(LockHoldPage, RefusesAnotherSchema) {
    for (const auto& result : {json{{"schema", "xa-bench/2"}}, json{{"schema", 1}}, json::object(),
                               json::array(), json{}}) {
        EXPECT_THROW((void)render_page(result), std::invalid_argument);
    }
}

}  // namespace
}  // namespace xa_tm::bench
