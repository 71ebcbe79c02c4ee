// What recovery may do now, as a file that a person reads, shortens, and gives to `apply`.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>

#include <CLI/CLI.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "configuration.h"
#include "json_document.h"
#include "operator_name.h"
#include "plan_facts.h"
#include "text.h"

namespace xa_tm::cli {
namespace {

constexpr ExitCode kPlanExitCodes[] = {
    {kNothingInDoubt, "the plan holds everything that is in doubt, or nothing is"},
    {kInDoubt, "something is in doubt that only a person can decide; the plan leaves it out"},
    {kUsage, "wrong usage or configuration, or the file is there already; nothing was written"},
    {kUnreadable, "the log or a resource could not be read, so the plan may lack branches"},
};

struct File {
    std::FILE* handle;
    explicit File(std::FILE* opened) noexcept : handle{opened} {}
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        if (handle != nullptr) {
            std::fclose(handle);
        }
    }
};

ConfigurationError not_written(const std::string& path, int error) {
    return ConfigurationError{
        error == EEXIST
            ? fmt::format("{} is there already; give --force to replace it, or another name", path)
            : fmt::format("can't write {}: {}", path, std::generic_category().message(error))};
}

/// What is cut off by a crash is no JSON, and `apply` refuses it.
void write_file(const std::string& path, const std::string& text, bool may_replace) {
    const File file{std::fopen(path.c_str(), may_replace ? "we" : "wxe")};
    if (file.handle == nullptr ||
        std::fwrite(text.data(), 1, text.size(), file.handle) != text.size() ||
        std::fflush(file.handle) != 0) {
        throw not_written(path, errno);
    }
}

/// Transactions in doubt that have a branch which the plan does nothing about.
std::size_t left_out(const PlanFacts& facts) {
    const auto is_left_out = [](const RecoveryTransaction& transaction) {
        return transaction.is_in_doubt() &&
               std::ranges::any_of(transaction.branches, [](const RecoveryBranch& branch) {
                   return branch.action == RecoveryAction::none ||
                          branch.state == RecoveredState::unreachable;
               });
    };
    return static_cast<std::size_t>(std::ranges::count_if(facts.report.transactions, is_left_out));
}

std::string counts_text(const Plan& plan) {
    const auto count = [&](RecoveryAction action) {
        return std::ranges::count(plan.entries, action, &PlanEntry::action);
    };
    return fmt::format("{}: {} to commit, {} to roll back, {} to confirm",
                       count_of(plan.entries.size(), "entry", "entries"),
                       count(RecoveryAction::commit), count(RecoveryAction::rollback),
                       count(RecoveryAction::confirm));
}

/// `options` are those that say where to look, as a person types them.
std::string summary_text(const Plan& plan, const PlanFacts& facts, const std::string& file,
                         const std::string& options) {
    auto text = fmt::format("plan {}\n  {}\n", printable(file), counts_text(plan));
    if (const auto left = left_out(facts); left > 0) {
        text += wrapped(fmt::format("{} in doubt {} left out, in part or as a whole: `xa-recover "
                                    "list` says why.",
                                    count_of(left, "transaction"), left == 1 ? "is" : "are"),
                        2);
    }
    for (const auto& resource : facts.report.resources) {
        if (!resource.is_reachable) {
            text +=
                wrapped(fmt::format("Resource {} could not be read: more may be in doubt there.",
                                    resource.name),
                        2);
        }
    }
    if (const auto& owner = facts.report.log.owner) {
        text +=
            "\n" + wrapped(fmt::format("Pid {} on {} owns the log and finishes these by itself; "
                                       "`apply` does nothing while it runs.",
                                       owner->pid, printable(owner->host)),
                           0);
    } else if (!plan.entries.empty()) {
        text += fmt::format(
            "\nRead it, delete the entries that you don't want, and type:\n"
            "  xa-recover apply {}{}\n",
            shell_word(file), options);
    }
    return text;
}

std::string summary_json(const Plan& plan, const PlanFacts& facts, const std::string& file) {
    return document({{"file", file},
                     {"version", kPlanVersion},
                     {"entries", plan.entries.size()},
                     {"left_out", left_out(facts)}});
}

int exit_code(const PlanFacts& facts) {
    if (!facts.report.is_complete()) {
        return kUnreadable;
    }
    return left_out(facts) > 0 ? kInDoubt : kNothingInDoubt;
}

int plan(const Request& request, const std::string& file, bool may_replace,
         const std::string& options) {
    const bool is_to_output = file == "-";
    if (!is_to_output && !may_replace && std::filesystem::exists(file)) {
        throw not_written(file, EEXIST);
    }
    const auto facts = look_for_plan(request);
    auto plan = make_plan(facts);
    plan.made_at =
        fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                    std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
    plan.made_by = operator_name();
    if (is_to_output) {
        write_out(render_plan(plan));
    } else {
        write_file(file, render_plan(plan), may_replace);
        write_out(request.is_json ? summary_json(plan, facts, file)
                                  : summary_text(plan, facts, file, options));
    }
    return exit_code(facts);
}

struct PlanOptions {
    explicit PlanOptions(CLI::App& app) : server{app} {
        app.add_option("-o,--output", file, "Where to write it; - is standard output")
            ->type_name("FILE")
            ->required();
        app.add_flag("--force", may_replace, "Replace a file that is there already");
    }

    ServerOptions server;
    std::string file;
    bool may_replace = false;
};

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<PlanOptions>(app);
    return [options] {
        return plan(options->server.request(), options->file, options->may_replace,
                    options->server.as_typed());
    };
}

}  // namespace

constinit const Command kPlanCommand{
    .name = "plan",
    .about = "Write down what resolve would do, for apply",
    .notes = R"(Writes a JSON file with one entry for each branch that may be finished by the laws:
its xid, what is to be done with it, why, and what that was judged by. A person can
read it and delete entries; `apply` does what is left and still holds. Touches
nothing, and the file holds no password.)",
    .examples = R"(xa-recover plan -o shop.plan --config /etc/shop/xa.toml
xa-recover plan -o - --config /etc/shop/xa.toml)",
    .exit_codes = kPlanExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli
