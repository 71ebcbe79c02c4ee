#include "contender.h"
#include "in_threads.h"
#include "raw_connection.h"
#include "usage.h"

namespace xa_tm::bench {
namespace {

using Clock = std::chrono::steady_clock;

class BareLoop final : public Contender {
public:
    BareLoop(Subject& subject, std::size_t connections)
        : subject_{subject}, connections_{connections} {}

    std::string name() const override {
        return "bare loop, " + std::to_string(connections_) + " connections";
    }

    void write_history(std::span<const InDoubt> branches) override { static_cast<void>(branches); }

    Sample end(std::span<const InDoubt> branches) override {
        const auto cpu_before = cpu_time();
        const auto start = Clock::now();
        in_threads(connections_, [&](std::size_t i) {
            const auto connection = RawConnection::open(subject_.uri());
            for (const auto& branch : share_of(branches, i, connections_)) {
                connection->send(subject_.end_of(branch));
            }
        });
        return {.time = Clock::now() - start, .cpu_time = cpu_time() - cpu_before};
    }

private:
    Subject& subject_;
    std::size_t connections_;
};

}  // namespace

std::unique_ptr<Contender> make_bare_loop(Subject& subject, std::size_t connections) {
    return std::make_unique<BareLoop>(subject, connections);
}

}  // namespace xa_tm::bench
