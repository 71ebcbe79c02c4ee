#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "cell.h"

namespace xa_tm::bench {

/// The result of a run, of schema "xa-bench/1", which grows cell by cell and is written after each,
/// so that a run that was broken off goes on from there.
///
/// Ownership: owns its JSON; the file stays.
/// Thread safety: one thread at a time.
class Result {
public:
    /// Written to no file when `file` is empty.
    explicit Result(std::filesystem::path file);
    /// Goes on with what is in the file. Throws std::runtime_error when it is no such result.
    [[nodiscard]] static Result resume(const std::filesystem::path& file);

    [[nodiscard]] const nlohmann::json& json() const noexcept { return json_; }
    /// Whether a section has an entry that agrees with all members of `key`.
    [[nodiscard]] bool has(const std::string& section, const nlohmann::json& key) const;
    void add(const std::string& section, nlohmann::json entry);
    void set(const std::string& member, nlohmann::json value);
    void note_settings(const std::string& contender, const std::string& settings);
    /// Once for each pair of them.
    void note_not_measured(const std::string& name, const std::string& why);
    /// What a run before this one could not measure is measured now.
    void forget_not_measured(const std::string& name);
    /// Writes the file, which is whole at any time. Throws std::runtime_error.
    void save() const;

private:
    std::filesystem::path file_;
    nlohmann::json json_;
};

}  // namespace xa_tm::bench
