#include "documented_json.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace xa_tm::test {
namespace {

using Json = nlohmann::ordered_json;

/// The types of one table by the path of the key; the empty path is the whole.
using Table = std::map<std::string, std::vector<std::string>>;

std::vector<std::string> split(const std::string& text, const std::string& separator) {
    std::vector<std::string> parts;
    std::size_t begin = 0;
    for (auto end = text.find(separator); end != std::string::npos;
         end = text.find(separator, begin)) {
        parts.push_back(text.substr(begin, end - begin));
        begin = end + separator.size();
    }
    parts.push_back(text.substr(begin));
    return parts;
}

std::string trimmed(std::string text, const std::string& characters) {
    text.erase(0, std::min(text.find_first_not_of(characters), text.size()));
    text.erase(text.find_last_not_of(characters) + 1);
    return text;
}

/// By the title of the section. A title of several commands counts for each.
std::map<std::string, Table> read_tables() {
    std::ifstream file{std::filesystem::path{XA_TM_SOURCE_DIR} / "docs" / "json.md"};
    EXPECT_TRUE(file) << "docs/json.md";
    std::map<std::string, Table> tables;
    std::vector<std::string> titles;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with('#')) {
            titles = split(trimmed(line, "# "), ", ");
            for (const auto& title : titles) {
                tables[title] = {};
            }
        } else if (line.starts_with("|")) {
            const auto cells = split(line, "|");
            for (const auto& title : titles) {
                tables[title][trimmed(cells[1], " `")].push_back(trimmed(cells[2], " "));
            }
        }
    }
    return tables;
}

class Check {
public:
    explicit Check(const std::map<std::string, Table>& tables) : tables_{tables} {}

    /// Whether the value at this path of a table is as the table, or one it refers to, says.
    // NOLINTNEXTLINE(misc-no-recursion): a document is a tree.
    void value(const Table& table, const std::string& path, const Json& json) {
        std::vector<const Table*> parts;
        bool has_type = path.empty();
        if (const auto row = table.find(path); row != table.end()) {
            for (const auto& type : row->second) {
                const auto reference = referred(type);
                has_type = has_type || is_of_type(json, type);
                if (reference != nullptr && json.is_object()) {
                    parts.push_back(reference);
                }
            }
        }
        if (json.is_object()) {
            for (const auto& [key, member] : json.items()) {
                this->member(table, parts, path, key, member);
            }
            return;
        }
        EXPECT_TRUE(has_type) << "docs/json.md does not say that " << path << " may be "
                              << json.type_name();
        if (json.is_array()) {
            for (const auto& element : json) {
                if (element.is_structured()) {
                    value(table, path + "[]", element);
                }
            }
        }
    }

private:
    // NOLINTNEXTLINE(misc-no-recursion): a document is a tree.
    void member(const Table& table, const std::vector<const Table*>& parts, const std::string& path,
                const std::string& key, const Json& json) {
        const auto full = path.empty() ? key : path + "." + key;
        if (table.contains(full)) {
            value(table, full, json);
            return;
        }
        for (const auto* part : parts) {
            if (part->contains(key)) {
                value(*part, key, json);
                return;
            }
        }
        ADD_FAILURE() << "docs/json.md does not name " << full;
    }

    /// The table that a type such as "[owner] or null" names.
    [[nodiscard]] const Table* referred(const std::string& type) const {
        const auto end = type.find(']');
        if (!type.starts_with('[') || end == std::string::npos) {
            return nullptr;
        }
        const auto found = tables_.find(type.substr(1, end - 1));
        EXPECT_NE(found, tables_.end()) << "docs/json.md has no table " << type;
        return found == tables_.end() ? nullptr : &found->second;
    }

    static bool is_of_type(const Json& json, const std::string& type) {
        const auto has = [&](const char* word) { return type.find(word) != std::string::npos; };
        switch (json.type()) {
            case Json::value_t::null: return has("null");
            case Json::value_t::object: return has("object");
            case Json::value_t::array: return has("list");
            case Json::value_t::string: return type.starts_with("text");
            case Json::value_t::boolean: return has("true") && has("false");
            case Json::value_t::number_integer:
            case Json::value_t::number_unsigned:
            case Json::value_t::number_float: return has("number");
            case Json::value_t::binary:
            case Json::value_t::discarded: return false;
        }
        return false;
    }

    const std::map<std::string, Table>& tables_;
};

}  // namespace

void expect_documented(const std::string& command, const Json& document) {
    SCOPED_TRACE(command + ": " + document.dump());
    static const auto tables = read_tables();
    ASSERT_TRUE(document.is_object() && !document.empty());
    EXPECT_EQ(document.begin().key(), "schema");
    EXPECT_EQ(document["schema"], "xa-recover/1");
    const auto table = tables.find(command);
    ASSERT_NE(table, tables.end()) << "docs/json.md has no section on " << command;
    Check{tables}.value(table->second, "", document);
}

}  // namespace xa_tm::test
