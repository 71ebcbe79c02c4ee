#include "ident_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::recovery_log {
namespace {

using ::testing::HasSubstr;

Ident some_ident() {
    return {.id = LogId{0x0123456789ABCDEFU}, .node = "shop-1"};
}

LogError error_of(const std::string& text) {
    try {
        static_cast<void>(decode_ident(text, "/log/ident"));
    } catch (const LogError& error) {
        return error;
    }
    return {LogErrorCode::io, "no error"};
}

TEST(IdentFile, IsATextThatAPersonCanRead) {
    EXPECT_THAT(encode_ident(some_ident()),
                HasSubstr("xa_tm recovery log\nformat 1\nid 0123456789abcdef\nnode shop-1\ncrc "));
}

TEST(IdentFile, ReadsBackWhatItWrote) {
    const auto ident = decode_ident(encode_ident(some_ident()), "/log/ident");
    EXPECT_EQ(ident.id, some_ident().id);
    EXPECT_EQ(ident.node, some_ident().node);
}

TEST(IdentFile, TakesANodeOfAnyBytes) {
    const std::string node{"line\nnode \0\xff\ncrc 00000000\n", 26};
    EXPECT_EQ(decode_ident(encode_ident({some_ident().id, node}), "/log/ident").node, node);
}

TEST(IdentFile, RefusesEverySingleFlippedBit) {
    auto text = encode_ident(some_ident());
    for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
        text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
        EXPECT_EQ(error_of(text).code(), LogErrorCode::damaged) << "bit " << bit;
        text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
    }
}

TEST(IdentFile, RefusesATextThatIsCutOff) {
    const auto text = encode_ident(some_ident());
    for (std::size_t length = 0; length < text.size(); ++length) {
        EXPECT_EQ(error_of(text.substr(0, length)).code(), LogErrorCode::damaged);
    }
}

TEST(IdentFile, NamesTheNewerFormat) {
    // The CRC of this text by an independent program.
    const auto error = error_of("xa_tm recovery log\nformat 2\nwhatever\ncrc 21452c3c\n");
    EXPECT_EQ(error.code(), LogErrorCode::newer_format);
    EXPECT_THAT(error.what(), HasSubstr("is in format 2"));
}

}  // namespace
}  // namespace xa_tm::recovery_log
