#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "xa_tm/conformance/subject.h"
#include "xa_tm/conformance/verbs.h"

namespace xa_tm::conformance {

/// What the suite runs on.
struct Kind {
    /// Shows in the tests' names, where dashes and dots become underscores; differs from all
    /// others.
    std::string name;
    /// Called once a test.
    std::function<std::unique_ptr<Subject>()> make;

    friend void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }
};

/// Defined by the program that the suite stands in: what it runs on.
[[nodiscard]] std::vector<Kind> kinds();

/// For INSTANTIATE_TEST_SUITE_P: such as "mysql_9_7".
[[nodiscard]] std::string name_of(const testing::TestParamInfo<Kind>& info);

// Why a test is skipped.
inline constexpr const char* kNoServer = "the resource is no server";
inline constexpr const char* kNoDecisions = "the resource keeps no decisions";
inline constexpr const char* kNoWitnesses = "the resource keeps no witness rows";
inline constexpr const char* kNoLocks = "the resource has no locks that branches wait for";

/// A subject without rows and branches, that has no branches in the end either.
class Conformance : public testing::TestWithParam<Kind> {
protected:
    void SetUp() override {
        subject_ = GetParam().make();
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

}  // namespace xa_tm::conformance
