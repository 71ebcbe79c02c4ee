#pragma once

#include <ostream>
#include <vector>

#include "xa_tm/connection.h"
#include "xa_tm/xa_code.h"
#include "xa_tm/xid.h"

namespace xa_tm {

/// How GoogleTest shows a code.
inline void PrintTo(XaCode code, std::ostream* out) {
    *out << to_string(code);
}

/// The same of a whole answer.
inline void PrintTo(const Answer& answer, std::ostream* out) {
    *out << to_string(answer.code) << " (" << answer.rows << " rows) " << answer.message;
}

}  // namespace xa_tm

namespace xa_tm::conformance {

/// Sends a verb and waits for its answer. Throws std::runtime_error when there is none for 20 s.
Answer run(Connection& connection, Verb verb, const Xid& xid = {});

/// Sends a batch and waits for all its answers, for at most 20 s.
[[nodiscard]] std::vector<Answer> run(Connection& connection, std::vector<Request> batch);

/// One verb again, told how often it had to wait for the connection to become ready.
struct Counted {
    Answer answer;
    int waits;
};
[[nodiscard]] Counted run_counted(Connection& connection, Verb verb, const Xid& xid);

/// Sends the verb again as long as the answer is XAER_NOTA, which some servers give while the
/// session that prepared the branch is ending; for at most 20 s.
Answer run_until_known(Connection& connection, Verb verb, const Xid& xid);

/// True when the connection says that it can be used again, and a transaction on it shows that it
/// can.
[[nodiscard]] bool serves_again(Connection& connection);

/// An xid of our format that no other call has returned.
[[nodiscard]] Xid unique_xid();

}  // namespace xa_tm::conformance
