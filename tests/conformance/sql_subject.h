#pragma once

#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <variant>

#include <soci/soci.h>

#include "database.h"
#include "eventually.h"
#include "sandbox.h"
#include "subjects.h"
#include "xa_tm/datasource.h"

namespace xa_tm::test {

/// What both SQL servers have in common; `D` is the driver's datasource.
template <typename D>
class SqlSubject : public Subject {
public:
    explicit SqlSubject(const std::string& server)
        : datasource_{"subject", sandbox::uri(server)},
          last_resource_{"subject", sandbox::uri(server), {.is_last_resource = true}},
          admin_datasource_{"subject", sandbox::admin_uri(server)},
          outside_{sandbox::uri(server)},
          admin_{sandbox::admin_uri(server)},
          uri_{sandbox::uri(server)} {}

    using Subject::connect;
    std::unique_ptr<Connection> connect(const SessionMark& mark) override {
        return datasource_.connect(mark);
    }
    std::unique_ptr<Connection> connect_as_admin() override {
        return admin_datasource_.connect({});
    }

    std::unique_ptr<Connection> connect_last_resource() override {
        return last_resource_.connect({.text = "xa_tm-conformance"});
    }
    void set_up_decision_table() override { last_resource_.set_up_decision_table(); }
    void drop_decision_table() override { outside_.execute("drop table if exists xa_tm_decision"); }

    void reset() override {
        // What an earlier process has left is finished only once its sessions have ended.
        if (!eventually([this] { return admin_.app_sessions() == 1; })) {
            throw std::runtime_error("somebody else uses the server");
        }
        const auto connection = connect();
        for (const auto& branch : run(*connection, Verb::recover).listed) {
            run_until_known(*connection, Verb::rollback, branch.xid.value());
        }
        outside_.execute("drop table if exists conformance");
        outside_.execute("create table conformance (id int primary key, hits int)");
        outside_.execute("drop table if exists kept");
        outside_.execute("create table kept (id int primary key" + kept_columns() + ")");
    }

    bool has_row(int id) override {
        return outside_.number("select count(*) from conformance where id = " +
                               std::to_string(id)) == 1;
    }

    std::string insert_statement(int id) const override {
        return "insert into conformance (id, hits) values (" + std::to_string(id) + ", 0)";
    }
    std::string failing_statement() const override { return "select nothing from nowhere"; }

    std::string update_statement(int count) const override {
        return "update conformance set hits = hits + 1 where id between 1 and " +
               std::to_string(count);
    }

    void insert(Connection& connection, int id) override {
        D::sql_of(connection) << insert_statement(id);
    }

    void lock_row(Connection& connection, int id) override { update(connection, id); }

    void read(Connection& connection) override {
        int count = 0;
        D::sql_of(connection) << "select count(*) from conformance", soci::into(count);
    }

    void fail_statement(Connection& connection) override {
        try {
            D::sql_of(connection) << failing_statement();
        } catch (const soci::soci_error&) {
            return;
        }
        throw std::runtime_error("a statement on a missing table succeeded");
    }

    std::function<void()> late_insert(Connection& connection, int id) override {
        auto& sql = D::sql_of(connection);
        return [&sql, statement = insert_statement(id)] { sql << statement; };
    }

    std::shared_ptr<void> wait_for_row(const Xid&, int id) override {
        auto waiting = std::make_shared<std::jthread>([this, id] {
            Database{uri_}.execute("update conformance set hits = 7 where id = " +
                                   std::to_string(id));
        });
        if (!eventually([this] { return waiting_sessions() == 1; })) {
            throw std::runtime_error("nobody waits for the row");
        }
        return waiting;
    }

    Connection& make_deadlock(Connection& one, Connection& other) override {
        outside_.execute("insert into conformance (id, hits) values (-1, 0), (-2, 0)");
        update(one, -1);
        update(other, -2);
        bool one_is_victim = false;
        std::jthread crossing{[&] { one_is_victim = !update(one, -2); }};
        const bool other_is_victim = !update(other, -1);
        crossing.join();
        if (one_is_victim == other_is_victim) {
            throw std::runtime_error("a deadlock has one victim");
        }
        return one_is_victim ? one : other;
    }

protected:
    /// Defines one for each type of Value, named as column_for() says.
    virtual std::string kept_columns() const = 0;
    /// Where table `kept` has values of this type; NULL fits everywhere.
    static std::string column_for(const Value& value) {
        constexpr std::array kColumns{"words",    "truth", "whole",      "natural_number",
                                      "fraction", "words", "binary_data"};
        static_assert(kColumns.size() == std::variant_size_v<Value>);
        return kColumns.at(value.index());
    }

    /// Sessions that wait for a row.
    virtual std::int64_t waiting_sessions() = 0;
    Database& admin() { return admin_; }

private:
    /// False when the server refused.
    static bool update(Connection& connection, int id) {
        try {
            D::sql_of(connection) << "update conformance set hits = hits + 1 where id = " +
                                         std::to_string(id);
            return true;
        } catch (const soci::soci_error&) {
            return false;
        }
    }

    D datasource_;
    D last_resource_;
    D admin_datasource_;
    Database outside_;
    Database admin_;
    std::string uri_;
};

}  // namespace xa_tm::test
