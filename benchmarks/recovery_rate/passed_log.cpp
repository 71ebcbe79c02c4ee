#include "passed_log.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <utility>

#include "decision_record.h"
#include "global_id.h"
#include "in_threads.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::bench {
namespace {

/// So many decisions share a sync.
constexpr std::size_t kDecisionsPerForce = 1000;

std::unique_ptr<recovery_log::RecoveryLog> open(const std::filesystem::path& directory) {
    return recovery_log::RecoveryLog::open(
        {.directory = directory, .node = kNode, .allow_volatile_file_system = true});
}

std::vector<std::byte> record_of(const std::string& gtrid, const std::string& bqual,
                                 const std::string& server) {
    return encode(Decision{
        .gtrid = gtrid,
        .decided_at =
            std::chrono::time_point_cast<LogTime::duration>(std::chrono::system_clock::now()),
        .branches = {{.resource = kResource, .bqual = bqual, .server = server, .evidence = {}}}});
}

/// Makes the records durable by one sync, and forgets all but the last `kept`.
void force(recovery_log::RecoveryLog& log, const std::vector<std::vector<std::byte>>& records,
           std::size_t kept) {
    std::vector<recovery_log::ForceRequest> requests;
    for (const auto& record : records) {
        auto reservation = log.reserve(record.size());
        if (!reservation) {
            throw std::runtime_error("the log is full: " + log.status().reason);
        }
        requests.push_back({std::move(*reservation), record});
    }
    const auto answers = log.force_many(std::move(requests));
    for (std::size_t i = 0; i < answers.size(); ++i) {
        if (answers[i].result != recovery_log::ForceResult::durable) {
            throw std::runtime_error("the log refuses: " + answers[i].reason);
        }
        if (i + kept < answers.size()) {
            log.forget(answers[i].id);
        }
    }
}

}  // namespace

PassedLog::PassedLog() {
    const auto log = open(directory_.path());
    id_ = log->id();
    incarnation_ = log->incarnation();
}

std::string PassedLog::next_gtrid() {
    return to_gtrid(
        {.node = kNode, .log = id_, .incarnation = incarnation_, .sequence = ++sequence_});
}

std::vector<InDoubt> PassedLog::new_branches(std::size_t count) {
    std::vector<InDoubt> branches;
    for (std::size_t i = 0; i < count; ++i) {
        branches.push_back(
            {{.gtrid = next_gtrid(), .bqual = to_bqual({kResource, 1})}, i % 2 == 0});
    }
    return branches;
}

void PassedLog::decide(std::span<const InDoubt> branches, std::size_t passed,
                       const std::string& server) {
    const auto log = open(directory_.path());
    const auto forces = std::max<std::size_t>(1, passed / kDecisionsPerForce);
    for (std::size_t i = 0; i < forces; ++i) {
        std::vector<std::vector<std::byte>> records;
        for (auto left = passed * (i + 1) / forces - passed * i / forces; left > 0; --left) {
            records.push_back(record_of(next_gtrid(), to_bqual({kResource, 1}), server));
        }
        std::size_t kept = 0;
        for (const auto& branch : share_of(branches, i, forces)) {
            if (branch.is_decided) {
                records.push_back(record_of(branch.xid.gtrid, branch.xid.bqual, server));
                ++kept;
            }
        }
        force(*log, records, kept);
        log->maintain();
    }
}

}  // namespace xa_tm::bench
