#include <optional>

#include <fmt/format.h>

#include "our_manager.h"

namespace xa_tm::bench {
namespace {

class OursSession final : public ManagedSession {
public:
    OursSession(OurManager& manager, OursWay way)
        : ManagedSession{way == OursWay::early ? Return::when_decided : Return::when_finished},
          manager_{manager},
          is_last_told_{way == OursWay::last_told} {}

    void begin() override {
        auto work = manager_.begin();
        transaction.emplace(std::move(work.transaction));
        branches_ = std::move(work.branches);
    }

    void run(std::size_t branch, const RowStatement& statement) override {
        if (is_last_told_) {
            branches_[branch].execute_last(statement.text);
        } else {
            branches_[branch].execute(statement.text);
        }
    }

private:
    OurManager& manager_;
    bool is_last_told_;
    std::vector<Branch> branches_;
};

/// What is committed early keeps its connections while the next transaction is under way.
std::size_t connections_a_thread(OursWay way) {
    return way == OursWay::early ? 2 : 1;
}

const char* words_for(OursWay way) {
    switch (way) {
        case OursWay::plain: return "execute(), a connection a thread and branch";
        case OursWay::last_told: return "execute_last(), a connection a thread and branch";
        case OursWay::last_resource:
            return "execute(), a connection a thread and branch, the last branch a last resource, "
                   "recovery_interval 1 s";
        case OursWay::early:
            return "execute(), commit(Return::when_decided), two connections a thread and branch";
    }
    return "";
}

class Ours final : public Contender {
public:
    Ours(const Workload& workload, OursWay way)
        : way_{way},
          manager_{workload,
                   {.connections = workload.threads * connections_a_thread(way),
                    .has_last_resource = way == OursWay::last_resource}} {}

    std::string settings() const override {
        return fmt::format("xa_tm " XA_TM_VERSION ", {}, defaults otherwise", words_for(way_));
    }
    std::unique_ptr<Session> open_session() override {
        return std::make_unique<OursSession>(manager_, way_);
    }

private:
    OursWay way_;
    OurManager manager_;
};

}  // namespace

std::unique_ptr<Contender> make_ours(const Workload& workload, OursWay way) {
    return std::make_unique<Ours>(workload, way);
}

}  // namespace xa_tm::bench
