#include <algorithm>
#include <span>
#include <variant>

#include "fuzz_target.h"
#include "xa_tm/recovery_log/check.h"
#include "xa_tm/src/decision_record.h"

// Any bytes as the body of a log's entry.
namespace xa_tm {
namespace {

/// What the bytes of a flag say is one bit; every other byte of a record is kept.
void check_same(std::span<const std::byte> input, std::span<const std::byte> again,
                std::size_t flags) {
    XA_TM_CHECK(input.size() == again.size(), "nothing is left out");
    std::size_t differences = 0;
    for (std::size_t at = 0; at < input.size(); ++at) {
        differences += input[at] == again[at] ? 0 : 1;
    }
    XA_TM_CHECK(differences <= flags, "what is read is what was written");
}

/// A writer keeps to limits that a reader does not ask for.
bool can_be_written(const LogRecord& record) {
    const auto* decision = std::get_if<Decision>(&record);
    return decision == nullptr ||
           std::ranges::all_of(decision->branches, [](const DecidedBranch& branch) {
               return branch.server.size() <= kMaxServerBytes &&
                      branch.evidence.size() <= kMaxEvidenceBytes;
           });
}

}  // namespace
}  // namespace xa_tm

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace xa_tm;
    const auto input = std::as_bytes(std::span{data, size});
    const auto record = decode(input);
    if (!record || !can_be_written(*record)) {
        return 0;
    }
    const auto again = encode(*record);
    const auto* decision = std::get_if<Decision>(&*record);
    check_same(input, again, decision == nullptr ? 0 : decision->branches.size());
    XA_TM_CHECK(decode(again) == record, "what was written is read");
    XA_TM_CHECK(decision == nullptr || again.size() <= encoded_size_max(*decision),
                "the space that is reserved for a decision is enough");
    for (std::size_t cut = 0; cut < again.size(); ++cut) {
        XA_TM_CHECK(!decode(std::span{again}.first(cut)), "a part of a record is none");
    }
    return 0;
}
