#include "workload.h"

#include <cctype>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace xa_tm::bench {
namespace {

using nlohmann::json;

std::string percent_encoded(const std::string& text) {
    std::string encoded;
    for (const unsigned char c : text) {
        encoded += std::isalnum(c) != 0 ? std::string(1, static_cast<char>(c))
                                        : fmt::format("%{:02X}", static_cast<unsigned>(c));
    }
    return encoded;
}

/// One of two words; true for the first.
bool is_first_of(const json& object, const char* key, const char* first, const char* second) {
    const auto& word = object.at(key).get_ref<const std::string&>();
    if (word != first && word != second) {
        throw std::runtime_error(
            fmt::format("\"{}\" is \"{}\"; it must be {} or {}", key, word, first, second));
    }
    return word == first;
}

std::string scheme_of(const std::string& kind) {
    if (kind == "postgres") {
        return "postgresql";
    }
    if (kind == "mariadb" || kind == "mysql") {
        return kind;
    }
    throw std::runtime_error(
        fmt::format("the kind of a branch is \"{}\"; it must be postgres, mariadb or mysql", kind));
}

WorkloadBranch branch_of(const json& object) {
    const auto text = [&](const char* key) { return object.at(key).get<std::string>(); };
    return {.name = text("name"),
            .uri = fmt::format("{}://{}:{}@{}:{}/{}", scheme_of(text("kind")),
                               percent_encoded(text("user")), percent_encoded(text("password")),
                               text("host"), object.at("port").get<unsigned>(),
                               percent_encoded(text("database"))),
            .table = text("table")};
}

Workload workload_of(const json& object) {
    Workload workload{.contender = object.at("contender").get<std::string>(),
                      .branches = {},
                      .null_resources = object.value("null_resources", std::size_t{0}),
                      .threads = object.at("threads").get<std::size_t>(),
                      .open = object.value("open", std::size_t{0}),
                      .is_hot = is_first_of(object, "rows", "hot", "cold"),
                      .read_only_share = object.value("read_only_share", 0.0),
                      .is_log_durable = is_first_of(object, "log", "durable", "none"),
                      .log_directory = object.value("log_directory", std::string{}),
                      .measures_memory = object.contains("measure") &&
                                         is_first_of(object, "measure", "memory", "time")};
    for (const auto& branch : object.at("branches")) {
        workload.branches.push_back(branch_of(branch));
    }
    return workload;
}

void check(const Workload& workload) {
    if (workload.branches.empty() == (workload.null_resources == 0)) {
        throw std::runtime_error("either \"branches\" or \"null_resources\" must be given");
    }
    if (workload.threads == 0) {
        throw std::runtime_error("\"threads\" is 0; it must be at least 1");
    }
    if ((workload.contender == "ours_async") != (workload.open > 0)) {
        throw std::runtime_error("\"open\" must be given to ours_async, and only to it");
    }
    if (!workload.is_log_durable && workload.null_resources == 0) {
        throw std::runtime_error("only null resources can do with \"log\": \"none\"");
    }
    if (workload.is_log_durable && workload.log_directory.empty()) {
        throw std::runtime_error("a durable log needs \"log_directory\"");
    }
    if (workload.measures_memory && workload.null_resources == 0) {
        throw std::runtime_error("memory is measured with \"null_resources\" only");
    }
}

}  // namespace

Workload read_workload(const std::filesystem::path& file) {
    std::ifstream stream{file};
    if (!stream) {
        throw std::runtime_error(fmt::format("{}: can't be read", file.string()));
    }
    try {
        const auto workload = workload_of(json::parse(stream));
        check(workload);
        return workload;
    } catch (const std::exception& error) {
        throw std::runtime_error(fmt::format("{}: {}", file.string(), error.what()));
    }
}

}  // namespace xa_tm::bench
