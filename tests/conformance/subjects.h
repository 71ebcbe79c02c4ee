#pragma once

#include <memory>
#include <string>
#include <vector>

#include "xa_tm/conformance/subject.h"
#include "xa_tm/conformance/suite.h"
#include "xa_tm/conformance/verbs.h"

namespace xa_tm::test {

using conformance::Conformance;
using conformance::Counted;
using conformance::Kind;
using conformance::name_of;
using conformance::run;
using conformance::run_counted;
using conformance::run_until_known;
using conformance::serves_again;
using conformance::Subject;
using conformance::unique_xid;

[[nodiscard]] std::unique_ptr<Subject> make_fake_subject();
/// `server` is a name in the sandbox.
[[nodiscard]] std::unique_ptr<Subject> make_postgres_subject(const std::string& server);
[[nodiscard]] std::unique_ptr<Subject> make_mysql_subject(const std::string& server);
/// A MySQL whose prepared branches stay with their sessions (xa_detach_on_prepare=OFF).
[[nodiscard]] std::unique_ptr<Subject> make_keeping_mysql_subject(const std::string& server);

/// Every server of the matrix, by its name in the sandbox.
[[nodiscard]] std::vector<Kind> servers();

}  // namespace xa_tm::test
