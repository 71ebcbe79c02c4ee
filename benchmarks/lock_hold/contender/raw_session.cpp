#include "raw_session.h"

#include <atomic>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <mysql.h>
#include <unistd.h>

#include "session_isolation.h"

namespace xa_tm::bench {

RawSession::RawSession(const Workload& workload) : branches_{workload.branches} {
    open();
}

void RawSession::open() {
    connections_.clear();
    for (const auto& branch : branches_) {
        connections_.push_back(RawConnection::open(branch.uri));
        connections_.back()->send(read_committed_for(branch));
    }
}

RawBranchNames::RawBranchNames() {
    static std::atomic<unsigned> sessions{0};
    prefix_ = fmt::format("raw.{}.{}", ::getpid(), ++sessions);
}

std::string RawBranchNames::of(std::size_t branch) const {
    return fmt::format("{}.{}.{}", prefix_, sequence_, branch);
}

std::string raw_clients() {
    return fmt::format("libpq {}, MySQL client {}", PQlibVersion(), mysql_get_client_info());
}

}  // namespace xa_tm::bench
