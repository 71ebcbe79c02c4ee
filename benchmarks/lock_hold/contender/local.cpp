#include "raw_session.h"

namespace xa_tm::bench {
namespace {

class LocalSession final : public RawSession {
public:
    LocalSession(const Workload& workload, bool is_scattered)
        : RawSession{workload}, is_scattered_{is_scattered} {}

    void begin() override {}

    void run(std::size_t branch, const RowStatement& statement) override {
        connections()[branch]->send("begin;" + statement.text);
    }

    void commit() override {
        for (const auto& connection : connections()) {
            connection->scatter("commit");
            if (!is_scattered_) {
                connection->gather();
            }
        }
        if (is_scattered_) {
            gather_all(connections());
        }
    }

private:
    bool is_scattered_;
};

class Local final : public Contender {
public:
    Local(const Workload& workload, bool is_scattered)
        : workload_{workload}, is_scattered_{is_scattered} {}

    std::string settings() const override {
        return raw_clients() + "; a local transaction a branch, not atomic";
    }
    std::unique_ptr<Session> open_session() override {
        return std::make_unique<LocalSession>(workload_, is_scattered_);
    }

private:
    Workload workload_;
    bool is_scattered_;
};

}  // namespace

std::unique_ptr<Contender> make_local(const Workload& workload, bool is_scattered) {
    return std::make_unique<Local>(workload, is_scattered);
}

}  // namespace xa_tm::bench
