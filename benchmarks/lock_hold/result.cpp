#include "result.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <stdexcept>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace xa_tm::bench {
namespace {

using nlohmann::json;

constexpr auto kSchema = "xa-bench/1";

/// Peers that no run can measure.
json never_measured() {
    return {{{"name", "LIXA"}, {"why", "not packaged for Debian 12"}},
            {{"name", "Enduro/X"}, {"why", "not packaged for Debian 12"}}};
}

bool agrees(const json& entry, const json& key) {
    return std::ranges::all_of(key.items(), [&](const auto& member) {
        return entry.contains(member.key()) && entry.at(member.key()) == member.value();
    });
}

}  // namespace

Result::Result(std::filesystem::path file)
    : file_{std::move(file)},
      json_{{"schema", kSchema},
            {"started",
             fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(
                                                      std::chrono::system_clock::now())))},
            {"machine", json::object()},
            {"versions", json::object()},
            {"settings", json::object()},
            {"cells", json::array()},
            {"hold", json::array()},
            {"counted", json::array()},
            {"law", json::array()},
            {"many_open", json::array()},
            {"tm_alone", json::array()},
            {"criteria", json::array()},
            {"not_measured", never_measured()}} {}

Result Result::resume(const std::filesystem::path& file) {
    Result result{file};
    std::ifstream stream{file};
    auto read = nlohmann::json::parse(stream, nullptr, false);
    if (read.is_discarded() || read.value("schema", "") != kSchema) {
        throw std::runtime_error(
            fmt::format("{} is no result of schema {}; give one that --json has written",
                        file.string(), kSchema));
    }
    result.json_.update(read);
    return result;
}

bool Result::has(const std::string& section, const nlohmann::json& key) const {
    return std::ranges::any_of(json_.at(section),
                               [&](const auto& entry) { return agrees(entry, key); });
}

void Result::add(const std::string& section, nlohmann::json entry) {
    json_[section].push_back(std::move(entry));
}

void Result::set(const std::string& member, nlohmann::json value) {
    json_[member] = std::move(value);
}

void Result::note_settings(const std::string& contender, const std::string& settings) {
    json_["settings"].emplace(contender, settings);  // with databases first, the log durable
}

void Result::note_not_measured(const std::string& name, const std::string& why) {
    if (!has("not_measured", {{"name", name}, {"why", why}})) {
        add("not_measured", {{"name", name}, {"why", why}});
    }
}

void Result::forget_not_measured(const std::string& name) {
    auto kept = nlohmann::json::array();
    for (const auto& entry : json_.at("not_measured")) {
        if (entry.at("name") != name) {
            kept.push_back(entry);
        }
    }
    json_["not_measured"] = kept;
}

void Result::save() const {
    if (file_.empty()) {
        return;
    }
    auto temporary = file_;
    temporary += ".new";
    std::ofstream stream{temporary};
    stream << json_.dump(1) << '\n';
    stream.close();
    if (!stream) {
        throw std::runtime_error(fmt::format("can't write {}", temporary.string()));
    }
    std::filesystem::rename(temporary, file_);
}

}  // namespace xa_tm::bench
