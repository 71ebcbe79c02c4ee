#include <stdexcept>

#include <malloc.h>

#include "contender.h"
#include "resources.h"
#include "usage.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// Far more than it takes.
constexpr std::chrono::minutes kTimeout{10};

class Engine final : public Contender {
public:
    Engine(Subject& subject, PassedLog& log, std::size_t passed)
        : subject_{subject}, log_{log}, passed_{passed} {}

    std::string name() const override { return "xa_tm, recover()"; }

    void write_history(std::span<const InDoubt> branches) override {
        log_.decide(branches, passed_, server_identity());
    }

    Sample end(std::span<const InDoubt> branches) override {
        ::malloc_trim(0);
        const PeakMemory memory;
        const auto start = Clock::now();
        TransactionManager manager{config()};
        static_cast<void>(test::Resource::add(manager, kResource, subject_.uri()));
        const auto opened = Clock::now();
        const auto cpu_before = cpu_time();
        const auto report = manager.recover({.timeout = kTimeout});
        const auto ended = Clock::now();
        if (!report.is_complete() || report.is_anything_in_doubt() ||
            report.transactions.size() != branches.size()) {
            throw std::runtime_error("recover() reports other branches than those that were left");
        }
        return {.time = ended - opened,
                .cpu_time = cpu_time() - cpu_before,
                .opening = opened - start,
                .growth_bytes = memory.growth_bytes()};
    }

private:
    [[nodiscard]] Config config() const {
        return {.node = kNode,
                .log_directory = log_.directory(),
                .create_log = false,
                .allow_volatile_log = true};
    }

    /// As the transaction manager asks for it.
    [[nodiscard]] std::string server_identity() const {
        TransactionManager manager{config()};
        const auto resource = test::Resource::add(manager, kResource, subject_.uri());
        return resource->datasource().connect({})->server_identity();
    }

    Subject& subject_;
    PassedLog& log_;
    std::size_t passed_;
};

}  // namespace

std::unique_ptr<Contender> make_engine(Subject& subject, PassedLog& log, std::size_t passed) {
    return std::make_unique<Engine>(subject, log, passed);
}

}  // namespace xa_tm::bench
