// A resource of one's own, as small as it can be, and the conformance suite over it.

#include <map>
#include <mutex>
#include <set>
#include <stdexcept>

#include <xa_tm/conformance/suite.h>
#include <xa_tm/custom_resource.h>

namespace {

/// A set of numbers.
class Numbers final : public xa_tm::CustomResource {
public:
    class Work final : public xa_tm::CustomWork {
    public:
        Work(Numbers& numbers, const xa_tm::Xid& xid) : numbers_{numbers}, xid_{xid} {}

        void insert(int number) {
            if (number < 0) {
                throw std::invalid_argument("a number is not negative");
            }
            inserted_.insert(number);
        }

        [[nodiscard]] xa_tm::Vote prepare() override {
            if (inserted_.empty()) {
                return xa_tm::Vote::read_only;
            }
            const std::lock_guard lock{numbers_.mutex_};
            if (!numbers_.prepared_.try_emplace(xid_, inserted_).second) {
                throw std::runtime_error("another branch is prepared under this xid");
            }
            return xa_tm::Vote::prepared;
        }

    private:
        Numbers& numbers_;
        xa_tm::Xid xid_;
        std::set<int> inserted_;
    };

    [[nodiscard]] std::string identity() const override { return "numbers"; }
    [[nodiscard]] std::unique_ptr<xa_tm::CustomWork> start(const xa_tm::Xid& xid) override {
        return std::make_unique<Work>(*this, xid);
    }
    [[nodiscard]] bool commit(const xa_tm::Xid& xid) override {
        const std::lock_guard lock{mutex_};
        auto prepared = prepared_.extract(xid);
        if (prepared.empty()) {
            return false;
        }
        committed_.merge(prepared.mapped());
        return true;
    }
    [[nodiscard]] bool rollback(const xa_tm::Xid& xid) override {
        const std::lock_guard lock{mutex_};
        return prepared_.erase(xid) == 1;
    }
    [[nodiscard]] std::vector<xa_tm::Xid> recover() override {
        const std::lock_guard lock{mutex_};
        std::vector<xa_tm::Xid> xids;
        for (const auto& [xid, numbers] : prepared_) {
            xids.push_back(xid);
        }
        return xids;
    }
    [[nodiscard]] bool contains(int number) {
        const std::lock_guard lock{mutex_};
        return committed_.contains(number);
    }

private:
    std::mutex mutex_;
    std::set<int> committed_;
    std::map<xa_tm::Xid, std::set<int>> prepared_;
};

using Datasource = xa_tm::CustomDatasource<Numbers>;

class Subject final : public xa_tm::conformance::Subject {
public:
    [[nodiscard]] Traits traits() const override { return {}; }
    using xa_tm::conformance::Subject::connect;
    [[nodiscard]] std::unique_ptr<xa_tm::Connection> connect(
        const xa_tm::SessionMark& mark) override {
        return datasource_.connect(mark);
    }
    void reset() override {}
    [[nodiscard]] bool has_row(int id) override { return datasource_.resource().contains(id); }
    void insert(xa_tm::Connection& connection, int id) override {
        Datasource::work_of(connection).insert(id);
    }
    void fail_statement(xa_tm::Connection& connection) override {
        try {
            insert(connection, -1);
        } catch (const std::invalid_argument&) {
        }
    }

private:
    Datasource datasource_{"numbers", std::make_unique<Numbers>()};
};

}  // namespace

std::vector<xa_tm::conformance::Kind> xa_tm::conformance::kinds() {
    return {{"numbers", &std::make_unique<::Subject>}};
}
