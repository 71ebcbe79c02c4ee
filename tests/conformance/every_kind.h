#pragma once

#include <algorithm>
#include <iterator>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

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

// What the program that the suite stands in runs it on; see kinds.cpp.
/// Every server of the matrix.
[[nodiscard]] std::vector<Kind> servers();
/// MySQL as MariaDB is.
[[nodiscard]] std::vector<Kind> keeping_servers();
/// Everything else that behaves like a server.
[[nodiscard]] std::vector<Kind> stand_ins();

// For INSTANTIATE_TEST_SUITE_P.
inline auto every_server() {
    return testing::ValuesIn(servers());
}
inline auto keeping_mysql() {
    return testing::ValuesIn(keeping_servers());
}
inline auto every_kind() {
    auto kinds = servers();
    std::ranges::move(stand_ins(), std::back_inserter(kinds));
    return testing::ValuesIn(kinds);
}

}  // namespace xa_tm::test
