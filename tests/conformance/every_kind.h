#pragma once

#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "servers.h"
#include "subject.h"
#include "verbs.h"

namespace xa_tm::test {

/// One column of the matrix.
struct Kind {
    const char* name;
    std::unique_ptr<Subject> (*make)(const std::string& server);

    friend void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }
};

/// A subject without rows and branches, that has no branches in the end either.
class Conformance : public testing::TestWithParam<Kind> {
protected:
    void SetUp() override {
        subject_ = GetParam().make(GetParam().name);
        subject_->reset();
    }

    void TearDown() override {
        EXPECT_EQ(listed(), std::vector<Xid>{}) << "the test left branches prepared";
    }

    /// A connection with an open branch.
    std::unique_ptr<Connection> start(const Xid& xid) {
        auto connection = subject_->connect();
        EXPECT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
        return connection;
    }

    /// A connection with a prepared branch that inserts row `id`.
    std::unique_ptr<Connection> prepare(const Xid& xid, int id) {
        auto connection = start(xid);
        subject_->insert(*connection, id);
        EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
        return connection;
    }

    std::vector<Xid> listed() {
        const auto connection = subject_->connect();
        const auto answer = run(*connection, Verb::recover);
        EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
        std::vector<Xid> xids;
        for (const auto& branch : answer.listed) {
            xids.push_back(branch.xid.value());
        }
        return xids;
    }

    std::unique_ptr<Subject> subject_;
};

/// Such as "mysql_9_7", because a test's name has neither dashes nor dots.
inline std::string name_of(const testing::TestParamInfo<Kind>& info) {
    std::string name{info.param.name};
    std::ranges::replace_if(
        name, [](char c) { return c == '-' || c == '.'; }, '_');
    return name;
}

/// Every server of the matrix.
inline std::vector<Kind> servers() {
    std::vector<Kind> kinds;
    for (const auto* server : kPostgresServers) {
        kinds.push_back({server, &make_postgres_subject});
    }
    for (const auto* server : kMysqlServers) {
        kinds.push_back({server, &make_mysql_subject});
    }
    return kinds;
}

// For INSTANTIATE_TEST_SUITE_P.
inline auto every_server() {
    return testing::ValuesIn(servers());
}
/// MySQL as MariaDB is.
inline auto keeping_mysql() {
    return testing::Values(Kind{"mysql-9.7", &make_keeping_mysql_subject});
}
inline auto every_kind() {
    auto kinds = servers();
    kinds.push_back({"fake", &make_fake_subject});
    return testing::ValuesIn(kinds);
}

}  // namespace xa_tm::test
