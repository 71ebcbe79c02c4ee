#include "raw_session.h"
#include "raw_verbs.h"

namespace xa_tm::bench {
namespace {

class ByHandSession final : public RawSession {
public:
    explicit ByHandSession(const Workload& workload) : RawSession{workload}, workload_{workload} {}

    void begin() override {
        names_.next();
        verbs_.clear();
    }

    void run(std::size_t branch, const RowStatement& statement) override {
        verbs_.push_back(raw_verbs(workload_.branches[branch].uri, names_.of(branch)));
        connections()[branch]->send(verbs_[branch].start);
        connections()[branch]->send(statement.text);
    }

    void commit() override {
        for (std::size_t i = 0; i < size(); ++i) {
            for (const auto& statement : verbs_[i].prepare) {
                connections()[i]->send(statement);
            }
        }
        for (std::size_t i = 0; i < size(); ++i) {
            connections()[i]->send(verbs_[i].commit);
        }
    }

private:
    const Workload& workload_;
    RawBranchNames names_;
    std::vector<RawVerbs> verbs_;
};

class ByHand final : public Contender {
public:
    explicit ByHand(const Workload& workload) : workload_{workload} {}

    std::string settings() const override {
        return raw_clients() + "; each verb in a trip of its own; nothing is logged";
    }
    std::unique_ptr<Session> open_session() override {
        return std::make_unique<ByHandSession>(workload_);
    }

private:
    Workload workload_;
};

}  // namespace

std::unique_ptr<Contender> make_by_hand(const Workload& workload) {
    return std::make_unique<ByHand>(workload);
}

}  // namespace xa_tm::bench
