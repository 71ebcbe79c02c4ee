// What a program does that issues the verbs itself. Blocking calls of the C clients, one branch
// after the other.

#include <stdexcept>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <mysql.h>
#include <unistd.h>

#include "contender.h"
#include "mysql/src/uri.h"

namespace xa_tm::bench {
namespace {

/// The verbs of one branch at one server.
class HandWrittenBranch {
public:
    virtual ~HandWrittenBranch() = default;
    /// Each string is sent by itself, in one trip.
    virtual void send(const std::string& statements) = 0;
    /// What a branch needs up to its vote, one string a statement.
    [[nodiscard]] virtual std::vector<std::string> until_vote(const std::string& id,
                                                              const std::string& work) const = 0;
    [[nodiscard]] virtual std::string commit(const std::string& id) const = 0;
};

class PostgresBranch final : public HandWrittenBranch {
public:
    explicit PostgresBranch(const std::string& uri) : connection_{PQconnectdb(uri.c_str())} {
        if (PQstatus(connection_) != CONNECTION_OK) {
            throw std::runtime_error(PQerrorMessage(connection_));
        }
    }
    ~PostgresBranch() override { PQfinish(connection_); }

    void send(const std::string& statements) override {
        PGresult* result = PQexec(connection_, statements.c_str());
        const std::string tag = PQcmdStatus(result);
        const bool is_ok = PQresultStatus(result) == PGRES_COMMAND_OK && tag != "ROLLBACK";
        PQclear(result);
        if (!is_ok) {
            throw std::runtime_error(
                fmt::format("{}: {}", statements, PQerrorMessage(connection_)));
        }
    }
    std::vector<std::string> until_vote(const std::string& id,
                                        const std::string& work) const override {
        return {"begin", work, fmt::format("prepare transaction '{}'", id)};
    }
    std::string commit(const std::string& id) const override {
        return fmt::format("commit prepared '{}'", id);
    }

private:
    PGconn* connection_;
};

class MysqlBranch final : public HandWrittenBranch {
public:
    explicit MysqlBranch(const std::string& uri) : connection_{mysql_init(nullptr)} {
        const auto address = mysql::parse_uri(uri);
        if (mysql_real_connect(connection_, address.host.c_str(), address.user.c_str(),
                               address.password.c_str(), address.database.c_str(), address.port,
                               nullptr, CLIENT_MULTI_STATEMENTS) == nullptr) {
            throw std::runtime_error(mysql_error(connection_));
        }
    }
    ~MysqlBranch() override { mysql_close(connection_); }

    void send(const std::string& statements) override {
        int status = mysql_real_query(connection_, statements.data(), statements.size());
        while (status == 0) {
            status = mysql_next_result(connection_);
        }
        if (status > 0) {
            throw std::runtime_error(fmt::format("{}: {}", statements, mysql_error(connection_)));
        }
    }
    std::vector<std::string> until_vote(const std::string& id,
                                        const std::string& work) const override {
        return {fmt::format("xa start '{}'", id), work, fmt::format("xa end '{}'", id),
                fmt::format("xa prepare '{}'", id)};
    }
    std::string commit(const std::string& id) const override {
        return fmt::format("xa commit '{}'", id);
    }

private:
    MYSQL* connection_;
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
