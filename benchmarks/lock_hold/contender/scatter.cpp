#include <fmt/format.h>

#include "forced_file.h"
#include "raw_session.h"
#include "raw_verbs.h"

namespace xa_tm::bench {
namespace {

class ScatterSession final : public RawSession {
public:
    ScatterSession(const Workload& workload, ForcedFile& log)
        : RawSession{workload}, workload_{workload}, log_{log} {}

    void begin() override {
        names_.next();
        verbs_.clear();
    }

    void run(std::size_t branch, const RowStatement& statement) override {
        verbs_.push_back(raw_verbs(workload_.branches[branch].uri, names_.of(branch)));
        connections()[branch]->send(verbs_[branch].start + ";" + statement.text);
    }

    void commit() override {
        for (std::size_t i = 0; i < size(); ++i) {
            connections()[i]->scatter(fmt::format("{}", fmt::join(verbs_[i].prepare, ";")));
        }
        gather_all(connections());
        log_.force();
        for (std::size_t i = 0; i < size(); ++i) {
            connections()[i]->scatter(verbs_[i].commit);
        }
        gather_all(connections());
    }

private:
    const Workload& workload_;
    ForcedFile& log_;
    RawBranchNames names_;
    std::vector<RawVerbs> verbs_;
};

class Scatter final : public Contender {
public:
    explicit Scatter(const Workload& workload)
        : workload_{workload}, log_{workload.log_directory / "forced"} {}

    std::string settings() const override {
        return raw_clients() +
               "; verbs share trips where the servers take that; a forced write "
               "of 200 bytes between votes and commits";
    }
    std::unique_ptr<Session> open_session() override {
        return std::make_unique<ScatterSession>(workload_, log_);
    }

private:
    Workload workload_;
    ForcedFile log_;
};

}  // namespace

std::unique_ptr<Contender> make_scatter(const Workload& workload) {
    return std::make_unique<Scatter>(workload);
}

}  // namespace xa_tm::bench
