// What a program does that issues the verbs itself. Blocking calls of the C clients, one branch
// after the other.

#include <fmt/format.h>
#include <unistd.h>

#include "contender.h"
#include "raw_connection.h"

namespace xa_tm::bench {
namespace {

/// The verbs of one branch at one server.
class HandWrittenBranch {
public:
    virtual ~HandWrittenBranch() = default;
    /// What a branch needs up to its vote, one string a statement.
    [[nodiscard]] virtual std::vector<std::string> until_vote(const std::string& id,
                                                              const std::string& work) const = 0;
    [[nodiscard]] virtual std::string commit(const std::string& id) const = 0;

    /// Each string is sent by itself, in one trip.
    void send(const std::string& statements) { connection_->send(statements); }

protected:
    explicit HandWrittenBranch(const std::string& uri) : connection_{RawConnection::open(uri)} {}

private:
    std::unique_ptr<RawConnection> connection_;
};

class PostgresBranch final : public HandWrittenBranch {
public:
    explicit PostgresBranch(const std::string& uri) : HandWrittenBranch{uri} {}

    std::vector<std::string> until_vote(const std::string& id,
                                        const std::string& work) const override {
        return {"begin", work, fmt::format("prepare transaction '{}'", id)};
    }
    std::string commit(const std::string& id) const override {
        return fmt::format("commit prepared '{}'", id);
    }
};

class MysqlBranch final : public HandWrittenBranch {
public:
    explicit MysqlBranch(const std::string& uri) : HandWrittenBranch{uri} {}

    std::vector<std::string> until_vote(const std::string& id,
                                        const std::string& work) const override {
        return {fmt::format("xa start '{}'", id), work, fmt::format("xa end '{}'", id),
                fmt::format("xa prepare '{}'", id)};
    }
    std::string commit(const std::string& id) const override {
        return fmt::format("xa commit '{}'", id);
    }
};

class HandWritten final : public Contender {
public:
    HandWritten(const std::vector<Account>& pair, bool is_folded) : is_folded_{is_folded} {
        for (const auto& account : pair) {
            if (account.uri.starts_with("postgres")) {
                branches_.push_back(std::make_unique<PostgresBranch>(account.uri));
            } else {
                branches_.push_back(std::make_unique<MysqlBranch>(account.uri));
            }
        }
    }

    std::string name() const override {
        return is_folded_ ? "by hand, folded" : "by hand, verb by verb";
    }

    void run(int account) override {
        ++sequence_;
        for (std::size_t i = 0; i < branches_.size(); ++i) {
            auto statements = branches_[i]->until_vote(id_of(i), update_of(account));
            if (is_folded_) {
                statements = {fmt::format("{}", fmt::join(statements, ";"))};
            }
            for (const auto& statement : statements) {
                branches_[i]->send(statement);
            }
        }
        for (std::size_t i = 0; i < branches_.size(); ++i) {
            branches_[i]->send(branches_[i]->commit(id_of(i)));
        }
    }

private:
    [[nodiscard]] std::string id_of(std::size_t branch) const {
        return fmt::format("hand.{}.{}.{}.{}", ::getpid(), is_folded_ ? 1 : 0, sequence_, branch);
    }

    bool is_folded_;
    int sequence_ = 0;
    std::vector<std::unique_ptr<HandWrittenBranch>> branches_;
};

}  // namespace

std::unique_ptr<Contender> make_hand_written(const std::vector<Account>& pair) {
    return std::make_unique<HandWritten>(pair, false);
}

std::unique_ptr<Contender> make_hand_folded(const std::vector<Account>& pair) {
    return std::make_unique<HandWritten>(pair, true);
}

}  // namespace xa_tm::bench
