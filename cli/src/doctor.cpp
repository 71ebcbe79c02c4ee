#include <algorithm>
#include <functional>
#include <future>
#include <iterator>
#include <memory>

#include <fmt/format.h>

#include "commands.h"
#include "datasources.h"
#include "log_checkup.h"
#include "options.h"
#include "render_doctor.h"
#include "text.h"
#include "xa_tm/error.h"

namespace xa_tm::cli {
namespace {

constexpr ExitCode kDoctorExitCodes[] = {
    {kNothingInDoubt, "all is green"},
    {kInDoubt, "the worst is yellow: recovery works, at a cost"},
    {kUsage, "wrong usage or configuration"},
    {kUnreadable, "something is red, or could not be asked"},
};

int exit_code_of(Severity severity) {
    switch (severity) {
        case Severity::good: return kNothingInDoubt;
        case Severity::notice: return kInDoubt;
        case Severity::bad: return kUnreadable;
    }
    return kUnreadable;
}

Checked check_resource(Datasource& datasource) {
    Checked checked{.name = datasource.name(), .kind = std::string{datasource.kind()}};
    try {
        auto description = datasource.describe();
        checked.product = std::move(description.product);
        checked.facts = std::move(description.facts);
        std::ranges::move(description.last_resource, std::back_inserter(checked.facts));
        checked.facts.insert(checked.facts.begin(), {"reachable", "yes"});
    } catch (const Error& error) {
        checked.facts.push_back({"reachable", "no", error.what(), Severity::bad});
    }
    return checked;
}

Checked check_log(const Configuration& configuration) {
    Checked checked{.name = configuration.log.native(), .kind = "log"};
    try {
        checked.facts =
            judged_log(recovery_log::examine_place(configuration.log),
                       recovery_log::inspect_log(configuration.log), configuration.node);
    } catch (const recovery_log::LogError& error) {
        checked.facts.push_back({"readable", "no", error.what(), Severity::bad});
    }
    return checked;
}

int doctor(const Request& request) {
    const auto& configuration = request.configuration;
    const auto datasources = make_datasources(configuration.resources, request.timeout);
    // At the same time: one that can't be reached takes as long as it may.
    std::vector<std::future<Checked>> checks;
    checks.reserve(datasources.size());
    for (const auto& datasource : datasources) {
        checks.push_back(std::async(std::launch::async, check_resource, std::ref(*datasource)));
    }
    Diagnosis diagnosis;
    for (auto& check : checks) {
        diagnosis.resources.push_back(check.get());
    }
    if (!configuration.log.empty()) {
        diagnosis.log = check_log(configuration);
    }
    write_out(request.is_json ? render_diagnosis_json(diagnosis)
                              : render_diagnosis(diagnosis, wants_colour()));
    return exit_code_of(diagnosis.worst());
}

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<ServerOptions>(app);
    return [options] { return doctor(options->request_with_or_without_log()); };
}

}  // namespace

constinit const Command kDoctorCommand{
    .name = "doctor",
    .about = "Check what recovery will need, before it is needed",
    .notes = R"(Asks each server how it is set and what this user may do there, looks at the log's
folder, and marks each line green, yellow or red; "mend" is what to change. It takes
no lock and changes nothing, so it may run beside the application. Run it as the
application's user, with the application's URIs.)",
    .examples = R"(xa-recover doctor --config /etc/shop/xa.toml
xa-recover doctor --resource users=postgresql:///users --json)",
    .exit_codes = kDoctorExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli
