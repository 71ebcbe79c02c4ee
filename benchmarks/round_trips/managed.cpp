// The transaction manager, used in each of the ways that it offers.

#include <stdexcept>

#include <soci/soci.h>

#include "contender.h"
#include "resources.h"
#include "temporary_directory.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::bench {
namespace {

enum class Style { soci, execute, execute_last, chained };

DatasourceOptions options_for(Style style, std::size_t index) {
    return style == Style::chained ? DatasourceOptions{.pool_size_max = 2 - index}
                                   : DatasourceOptions{};
}

class Managed final : public Contender {
public:
    Managed(const std::vector<Account>& pair, Style style) : style_{style} {
        for (std::size_t i = 0; i < pair.size(); ++i) {
            resources_.push_back(test::Resource::add(manager_, i == 0 ? "first" : "second",
                                                     pair[i].uri, options_for(style, i)));
        }
        manager_.start();
    }

    std::string name() const override {
        switch (style_) {
            case Style::soci: return "xa_tm, SOCI";
            case Style::execute: return "xa_tm, execute";
            case Style::execute_last: return "xa_tm, execute_last";
            case Style::chained: return "xa_tm, execute_last, chained";
        }
        throw std::logic_error("every style has a name");
    }
    unsigned threads() const override { return style_ == Style::chained ? 4 : 1; }

    void run(int account) override {
        auto transaction = manager_.begin();
        std::vector<Branch> branches;
        for (const auto& resource : resources_) {
            branches.push_back(resource->branch_of(transaction));
        }
        for (std::size_t i = 0; i < resources_.size(); ++i) {
            if (style_ == Style::soci) {
                resources_[i]->enlist(transaction) << update_of(account);
            } else if (style_ == Style::execute) {
                branches[i].execute(update_of(account));
            } else {
                branches[i].execute_last(update_of(account));
            }
        }
        const auto report = transaction.commit();
        if (report.outcome() != Outcome::committed) {
            throw std::runtime_error(to_string(report));
        }
    }

private:
    Style style_;
    test::TemporaryDirectory log_;
    TransactionManager manager_{{.node = "bench",
                                 .log_directory = log_.path(),
                                 .recovery_interval = std::chrono::hours{1},
                                 .allow_volatile_log = true}};
    std::vector<std::unique_ptr<test::Resource>> resources_;
};

}  // namespace

std::unique_ptr<Contender> make_soci(const std::vector<Account>& pair) {
    return std::make_unique<Managed>(pair, Style::soci);
}

std::unique_ptr<Contender> make_execute(const std::vector<Account>& pair) {
    return std::make_unique<Managed>(pair, Style::execute);
}

std::unique_ptr<Contender> make_execute_last(const std::vector<Account>& pair) {
    return std::make_unique<Managed>(pair, Style::execute_last);
}

std::unique_ptr<Contender> make_chained(const std::vector<Account>& pair) {
    return std::make_unique<Managed>(pair, Style::chained);
}

}  // namespace xa_tm::bench
