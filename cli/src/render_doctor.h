#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "xa_tm/connection.h"

/// What `doctor` has found, as text and as JSON.
namespace xa_tm::cli {

/// A resource or the log, with all that is to be known of it.
struct Checked {
    std::string name;  ///< of the resource, or the log's folder
    std::string kind;  ///< as Datasource::kind(), or "log"
    /// Empty when it could not be asked.
    std::string product = {};
    std::vector<ServerFact> facts = {};
};

struct Diagnosis {
    std::vector<Checked> resources;
    /// Nothing when no log is named.
    std::optional<Checked> log = std::nullopt;

    [[nodiscard]] Severity worst() const;
};

struct LastResources {
    std::vector<Checked> resources;

    /// Each can keep decisions.
    [[nodiscard]] bool are_ready() const;
};

/// What `setup-last-resource` has done or found.
[[nodiscard]] std::string render_last_resources(const LastResources& found, bool has_colour);
[[nodiscard]] std::string render_last_resources_json(const LastResources& found);

/// The worst first, in each part; in the order of its driver otherwise.
[[nodiscard]] std::string render_diagnosis(const Diagnosis& diagnosis, bool has_colour);
[[nodiscard]] std::string render_diagnosis_json(const Diagnosis& diagnosis);

}  // namespace xa_tm::cli
