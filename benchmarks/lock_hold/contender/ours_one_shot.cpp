#include <stdexcept>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "our_manager.h"

namespace xa_tm::bench {
namespace {

class OneShotSession final : public Session {
public:
    OneShotSession(OurManager& manager, OneShotWay way) : manager_{manager}, way_{way} {
        if (way == OneShotWay::combined) {
            options_.combine.emplace();
        }
    }

    void begin() override {
        statements_.clear();
        options_.conflict_keys.clear();
    }

    void run(std::size_t branch, const RowStatement& statement) override {
        statements_.push_back(
            Statement{manager_.datasource(branch), statement.with_placeholders, statement.arguments}
                .expect_rows(1));
        if (way_ != OneShotWay::gate) {
            options_.conflict_keys.push_back(fmt::format("{}:{}", branch, statement.row));
        }
    }

    void commit() override {
        const auto report = manager_.manager().run(std::move(statements_), options_);
        if (report.outcome() != Outcome::committed) {
            throw std::runtime_error(report.commit().reason());
        }
    }

    void abandon() override {}

private:
    OurManager& manager_;
    OneShotWay way_;
    RunOptions options_;
    std::vector<Statement> statements_;
};

const char* words_for(OneShotWay way) {
    switch (way) {
        case OneShotWay::gate: return "run(), no conflict keys";
        case OneShotWay::conflict_keys: return "run(), a conflict key for each row";
        case OneShotWay::combined: return "run(), a conflict key for each row, combine";
    }
    return "";
}

class OneShot final : public Contender {
public:
    OneShot(const Workload& workload, OneShotWay way)
        : way_{way}, manager_{workload, {.connections = workload.threads}} {}

    std::string settings() const override {
        return fmt::format("xa_tm " XA_TM_VERSION
                           ", {}; statements with arguments, one row expected of each, a "
                           "connection a thread and branch, defaults otherwise",
                           words_for(way_));
    }
    std::unique_ptr<Session> open_session() override {
        return std::make_unique<OneShotSession>(manager_, way_);
    }

private:
    OneShotWay way_;
    OurManager manager_;
};

}  // namespace

std::unique_ptr<Contender> make_one_shot(const Workload& workload, OneShotWay way) {
    return std::make_unique<OneShot>(workload, way);
}

}  // namespace xa_tm::bench
