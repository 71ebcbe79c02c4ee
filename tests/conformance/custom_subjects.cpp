// The suite over resources of an application's own: the smallest one, and the files of the example.

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include "file_store.h"
#include "memory_store.h"
#include "temporary_directory.h"
#include "xa_tm/conformance/suite.h"
#include "xa_tm/custom_resource.h"

namespace xa_tm::conformance {
namespace {

class MemorySubject final : public Subject {
public:
    Traits traits() const override { return {.takes_statements = true, .can_be_reopened = true}; }
    using Subject::connect;
    std::unique_ptr<Connection> connect(const SessionMark& mark) override {
        return datasource_->connect(mark);
    }
    void reset() override { reopen(); }
    void reopen() override {
        datasource_ =
            std::make_unique<Memory>("subject", std::make_unique<test::MemoryStore>(data_));
    }
    bool has_row(int id) override { return datasource_->resource().has_row(std::to_string(id)); }
    void insert(Connection& connection, int id) override {
        Memory::work_of(connection).write(std::to_string(id));
    }
    void fail_statement(Connection&) override {}
    std::string insert_statement(int id) const override { return std::to_string(id); }
    std::string failing_statement() const override { return "fail"; }
    std::string update_statement(int count) const override {
        return "rows " + std::to_string(count);
    }

private:
    using Memory = CustomDatasource<test::MemoryStore>;

    std::shared_ptr<test::MemoryStore::Data> data_ = std::make_shared<test::MemoryStore::Data>();
    std::unique_ptr<Memory> datasource_;
};

class FilesSubject final : public Subject {
public:
    Traits traits() const override { return {.can_be_reopened = true}; }
    using Subject::connect;
    std::unique_ptr<Connection> connect(const SessionMark& mark) override {
        return datasource_->connect(mark);
    }
    void reset() override { reopen(); }
    void reopen() override {
        datasource_.reset();  // which gives the folder up
        datasource_ = std::make_unique<Files>(
            "subject", std::make_unique<examples::FileStore>(folder_.path()));
    }
    bool has_row(int id) override {
        return std::filesystem::exists(folder_.path() / std::to_string(id));
    }
    void insert(Connection& connection, int id) override {
        Files::work_of(connection).write(std::to_string(id), "inserted");
    }
    void fail_statement(Connection& connection) override {
        try {
            Files::work_of(connection).write("../elsewhere", "");
        } catch (const std::runtime_error&) {
            return;
        }
        throw std::logic_error("a file outside of the folder was written");
    }

private:
    using Files = CustomDatasource<examples::FileStore>;

    test::TemporaryDirectory folder_;
    std::unique_ptr<Files> datasource_;
};

}  // namespace

std::vector<Kind> kinds() {
    return {{"memory", &std::make_unique<MemorySubject>},
            {"files", &std::make_unique<FilesSubject>}};
}

}  // namespace xa_tm::conformance
