// What a program does that issues the verbs itself. Blocking calls of the C clients, one branch
// after the other.

#include <fmt/format.h>
#include <unistd.h>

#include "contender.h"
#include "raw_connection.h"
#include "raw_verbs.h"

namespace xa_tm::bench {
namespace {

class HandWritten final : public Contender {
public:
    HandWritten(const std::vector<Account>& pair, bool is_folded) : is_folded_{is_folded} {
        for (const auto& account : pair) {
            branches_.push_back({account.uri, RawConnection::open(account.uri)});
        }
    }

    std::string name() const override {
        return is_folded_ ? "by hand, folded" : "by hand, verb by verb";
    }

    void run(int account) override {
        ++sequence_;
        std::vector<std::string> commits;
        for (std::size_t i = 0; i < branches_.size(); ++i) {
            const auto verbs = raw_verbs(branches_[i].uri, id_of(i));
            std::vector<std::string> statements{verbs.start, update_of(account)};
            statements.insert(statements.end(), verbs.prepare.begin(), verbs.prepare.end());
            if (is_folded_) {
                statements = {fmt::format("{}", fmt::join(statements, ";"))};
            }
            for (const auto& statement : statements) {
                branches_[i].connection->send(statement);
            }
            commits.push_back(verbs.commit);
        }
        for (std::size_t i = 0; i < branches_.size(); ++i) {
            branches_[i].connection->send(commits[i]);
        }
    }

private:
    struct Branch {
        std::string uri;
        std::unique_ptr<RawConnection> connection;
    };

    [[nodiscard]] std::string id_of(std::size_t branch) const {
        return fmt::format("hand.{}.{}.{}.{}", ::getpid(), is_folded_ ? 1 : 0, sequence_, branch);
    }

    bool is_folded_;
    int sequence_ = 0;
    std::vector<Branch> branches_;
};

}  // namespace

std::unique_ptr<Contender> make_hand_written(const std::vector<Account>& pair) {
    return std::make_unique<HandWritten>(pair, false);
}

std::unique_ptr<Contender> make_hand_folded(const std::vector<Account>& pair) {
    return std::make_unique<HandWritten>(pair, true);
}

}  // namespace xa_tm::bench
