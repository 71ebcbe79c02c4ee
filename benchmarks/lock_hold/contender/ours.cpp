#include <fmt/format.h>

#include "managed_session.h"
#include "resources.h"
#include "session_isolation.h"

namespace xa_tm::bench {
namespace {

using Resources = std::vector<std::unique_ptr<test::Resource>>;

class OursSession final : public ManagedSession {
public:
    OursSession(TransactionManager& manager, const Resources& resources, bool is_last_told)
        : manager_{manager}, resources_{resources}, is_last_told_{is_last_told} {}

    void begin() override {
        transaction.emplace(manager_.begin());
        branches_.clear();
        for (const auto& resource : resources_) {
            branches_.push_back(resource->branch_of(*transaction));
        }
    }

    void run(std::size_t branch, const std::string& statement) override {
        if (is_last_told_) {
            branches_[branch].execute_last(statement);
        } else {
            branches_[branch].execute(statement);
        }
    }

private:
    TransactionManager& manager_;
    const Resources& resources_;
    bool is_last_told_;
    std::vector<Branch> branches_;
};

class Ours final : public Contender {
public:
    Ours(const Workload& workload, bool is_last_told)
        : is_last_told_{is_last_told}, manager_{config_of(workload)} {
        for (const auto& branch : workload.branches) {
            resources_.push_back(test::Resource::add(manager_, branch.name, branch.uri,
                                                     {.pool_size_max = workload.threads}));
        }
        manager_.start();
        open_connections(workload);
    }

    std::string settings() const override {
        return fmt::format("xa_tm " XA_TM_VERSION
                           ", {}, a connection a thread and branch, defaults otherwise",
                           is_last_told_ ? "execute_last()" : "execute()");
    }
    std::unique_ptr<Session> open_session() override {
        return std::make_unique<OursSession>(manager_, resources_, is_last_told_);
    }

private:
    /// As many as threads, which stay in the pool for them.
    void open_connections(const Workload& workload) {
        std::vector<std::unique_ptr<OursSession>> sessions;
        for (std::size_t i = 0; i < workload.threads; ++i) {
            auto& session =
                *sessions.emplace_back(std::make_unique<OursSession>(manager_, resources_, false));
            session.begin();
            for (std::size_t branch = 0; branch < workload.branches.size(); ++branch) {
                session.run(branch, read_committed_for(workload.branches[branch]));
            }
        }
        for (const auto& session : sessions) {
            session->commit();
        }
    }

    bool is_last_told_;
    TransactionManager manager_;
    Resources resources_;
};

}  // namespace

std::unique_ptr<Contender> make_ours(const Workload& workload, bool is_last_told) {
    return std::make_unique<Ours>(workload, is_last_told);
}

}  // namespace xa_tm::bench
