#include <array>
#include <string>

#include "cli/src/configuration.h"
#include "cli/src/plan_file.h"
#include "fuzz_input.h"
#include "fuzz_target.h"

// Any text as the plan that `apply` is given, and any plan as the text that says it. Of the first
// byte of an input the lowest bit says which.
namespace xa_tm::cli {
namespace {

using test::Input;
using test::unless_refused;

std::optional<Plan> read(std::string_view text) {
    return unless_refused<ConfigurationError>([&] {
        try {
            return parse_plan(text, "plan.json");
        } catch (const ConfigurationError& error) {
            XA_TM_CHECK(std::string_view{error.what()}.starts_with("plan.json: "),
                        "an error says where");
            throw;
        }
    });
}

/// Whoever reads a plan does nothing before he has looked himself.
void check_needs_facts(const Plan& plan) {
    const auto checked = check(plan, {.report = {}, .decisions = {}});
    XA_TM_CHECK(checked.size() == plan.entries.size(), "each entry has its verdict");
    for (const auto& entry : checked) {
        XA_TM_CHECK(entry.verdict == EntryVerdict::unproven && entry.action == RecoveryAction::none,
                    "nothing is done without facts");
    }
}

void check_plan(const Plan& plan) {
    const auto text = render_plan(plan);
    XA_TM_CHECK(text.ends_with("}\n"), "one document with a line break");
    XA_TM_CHECK(read(text) == plan, "what is written is read");
    check_needs_facts(plan);
}

template <class Choices>
auto one_of(Input& input, const Choices& choices) {
    return choices[input.number<std::uint8_t>() % choices.size()];
}

std::string ascii(Input& input) {
    auto text = input.text(40);
    for (auto& c : text) {
        c = static_cast<char>(static_cast<unsigned char>(c) & 0x7FU);
    }
    return text;
}

Plan plan_of(Input& input) {
    Plan plan{};
    plan.made_at = ascii(input);
    plan.made_by = ascii(input);
    plan.log = recovery_log::LogId{input.number<std::uint64_t>()};
    plan.node = ascii(input);
    plan.incarnation = input.number<std::uint32_t>();
    while (!input.is_at_end()) {
        PlanEntry entry{};
        // No branch stands there twice.
        entry.resource = std::to_string(plan.entries.size()) + ascii(input);
        entry.xid.format_id = input.number<std::int64_t>();
        entry.xid.gtrid = ascii(input);
        entry.xid.bqual = ascii(input);
        entry.transaction = one_of(
            input, std::array{TransactionState::commit_decided, TransactionState::presumed_abort});
        entry.state = one_of(input, std::array{RecoveredState::prepared, RecoveredState::absent});
        entry.action = one_of(input, std::array{RecoveryAction::commit, RecoveryAction::rollback,
                                                RecoveryAction::confirm});
        entry.reason = ascii(input);
        if (input.number<std::uint8_t>() % 2 == 1) {
            entry.decision = input.number<recovery_log::EntryId>();
        }
        entry.server = ascii(input);
        plan.entries.push_back(std::move(entry));
    }
    return plan;
}

}  // namespace
}  // namespace xa_tm::cli

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace xa_tm::cli;
    xa_tm::test::Input input{data, size};
    if ((input.number<std::uint8_t>() & 1U) != 0) {
        check_plan(plan_of(input));
    } else if (const auto plan = read(input.rest())) {
        check_plan(*plan);
    }
    return 0;
}
