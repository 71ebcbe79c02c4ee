#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "xa_tm/custom_resource.h"

namespace xa_tm::test {

/// The smallest resource of an application's own: a set of rows in memory, which survives as long
/// as its Data do.
class MemoryStore final : public CustomResource {
public:
    struct Data {
        std::mutex mutex = {};
        std::set<std::string> rows = {};
        std::map<Xid, std::set<std::string>> prepared = {};
    };

    class Work final : public CustomWork {
    public:
        Work(MemoryStore& store, Xid xid) : store_{store}, xid_{std::move(xid)} {}

        void write(const std::string& row) { rows_.insert(row); }

        Vote prepare() override {
            store_.meet("prepare");
            if (rows_.empty()) {
                return Vote::read_only;
            }
            const std::lock_guard lock{store_.data_->mutex};
            if (!store_.data_->prepared.try_emplace(xid_, rows_).second) {
                throw std::runtime_error("another branch is prepared under this xid");
            }
            return Vote::prepared;
        }

        std::uint64_t execute(const std::string& statement) override {
            if (statement.starts_with("fail")) {
                throw std::runtime_error("the statement can't be run");
            }
            if (constexpr std::string_view kRows = "rows "; statement.starts_with(kRows)) {
                return std::stoull(statement.substr(kRows.size()));
            }
            write(statement);
            return 1;
        }

    private:
        MemoryStore& store_;
        Xid xid_;
        std::set<std::string> rows_;
    };

    explicit MemoryStore(std::shared_ptr<Data> data = std::make_shared<Data>())
        : data_{std::move(data)} {}

    /// Called before each callback with its name; may throw what that is to throw.
    void on_callback(std::function<void(std::string_view name)> hook) { hook_ = std::move(hook); }
    [[nodiscard]] bool has_row(const std::string& row) const {
        const std::lock_guard lock{data_->mutex};
        return data_->rows.contains(row);
    }

    [[nodiscard]] std::string identity() const override {
        meet("identity");
        return "memory";
    }
    [[nodiscard]] std::unique_ptr<CustomWork> start(const Xid& xid) override {
        meet("start");
        return std::make_unique<Work>(*this, xid);
    }
    [[nodiscard]] bool commit(const Xid& xid) override {
        meet("commit");
        const std::lock_guard lock{data_->mutex};
        auto prepared = data_->prepared.extract(xid);
        if (prepared.empty()) {
            return false;
        }
        data_->rows.merge(prepared.mapped());
        return true;
    }
    [[nodiscard]] bool rollback(const Xid& xid) override {
        meet("rollback");
        const std::lock_guard lock{data_->mutex};
        return data_->prepared.erase(xid) == 1;
    }
    [[nodiscard]] std::vector<Xid> recover() override {
        meet("recover");
        const std::lock_guard lock{data_->mutex};
        std::vector<Xid> xids;
        for (const auto& [xid, rows] : data_->prepared) {
            xids.push_back(xid);
        }
        return xids;
    }

private:
    void meet(std::string_view name) const {
        if (hook_) {
            hook_(name);
        }
    }

    std::shared_ptr<Data> data_;
    std::function<void(std::string_view)> hook_;
};

}  // namespace xa_tm::test
