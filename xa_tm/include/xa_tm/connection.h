#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "xa_tm/xa_code.h"
#include "xa_tm/xid.h"

namespace xa_tm {

/// What the transaction manager asks of one branch. Each is one round trip, unless it says
/// otherwise.
enum class Verb {
    /// xa_start: opens the branch on this connection; statements of the application then belong to
    /// it.
    start,
    /// xa_end and xa_prepare. A branch that wrote nothing may answer XA_RDONLY: it is finished
    /// then.
    prepare,
    /// xa_end and xa_commit(TMONEPHASE), for the only branch of a transaction.
    commit_one_phase,
    /// xa_commit of a prepared branch, of this connection or of an earlier session.
    commit,
    /// xa_end if need be, and xa_rollback: of this connection's branch, else of a prepared one.
    rollback,
    /// xa_recover: the answer's `listed` holds every prepared branch that this resource can finish.
    recover,
    /// Whether the server still knows the xid, or a session may still be working on it:
    /// XA_RETRY if so, XAER_NOTA when neither: whatever was to happen to the branch has happened.
    locate,
};

[[nodiscard]] std::string_view to_string(Verb verb) noexcept;

/// One prepared branch, as a server lists it.
struct ListedBranch {
    /// Nothing when what the server holds is no xid at all, such as another program's free-form
    /// name.
    std::optional<Xid> xid;
    /// The server's own name for it, as a person would write it in a statement.
    std::string name;
    /// When it was prepared, by the server's clock; for display only. Not every server tells.
    std::optional<std::chrono::system_clock::time_point> prepared_at = std::nullopt;
    /// Who may finish it, where the server restricts that; for display only.
    std::string owner = {};

    friend bool operator==(const ListedBranch&, const ListedBranch&) = default;
};

/// A resource manager's answer to one verb.
struct Answer {
    XaCode code = XaCode::ok;
    /// The server's own words, with what to do about them where the driver knows; empty on plain
    /// success.
    std::string message = {};
    std::string sqlstate = {};
    /// errno of MySQL or MariaDB, else 0.
    int native_error = 0;
    /// What later proves the branch's fate, such as PostgreSQL's transaction id; empty where there
    /// is nothing.
    std::string evidence = {};
    /// The answer to Verb::recover; complete whenever code is XA_OK.
    std::vector<ListedBranch> listed = {};
};

/// How our sessions show at the server, so that a person or recovery can tell whose they are.
struct SessionMark {
    std::string text;
    /// The marks of sessions whose processes have ended, newest first.
    std::vector<std::string> ended = {};
};

/// One connection to a resource manager: it is given one verb at a time and then asked until the
/// answer has come. Drivers implement it, one class a kind of server; they translate and decide
/// nothing.
///
/// Ownership: owns its connection; closing it is the destructor's, and it does not wait for the
/// server. Thread safety: one thread at a time.
class Connection {
public:
    /// The file descriptor to poll before the next receive(), and for what.
    struct Readiness {
        int descriptor;
        bool for_reading;
        bool for_writing;
    };

    Connection() = default;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    virtual ~Connection() = default;

    /// Sends one verb without waiting for its answer; a failure to send is told by receive().
    /// The answer to the verb before it has been received. Verb::recover ignores the xid.
    virtual void send(Verb verb, const Xid& xid) noexcept = 0;
    /// Takes what has arrived without waiting; the answer once it is complete.
    [[nodiscard]] virtual std::optional<Answer> receive() noexcept = 0;
    /// Valid between send() and the answer.
    [[nodiscard]] virtual Readiness readiness() const noexcept = 0;

    /// Ends the session at once, without waiting for the server: a branch that is still open there
    /// is rolled back, a prepared one is free for other sessions. The object stays, since the
    /// application may still hold its handle, and is only asked is_open_to_application() any more:
    /// false. Where a driver does not override it, the destructor closes.
    virtual void close() noexcept {}

    /// Which server, and which database of it, is at the other end; the same text as long as it is
    /// the same data. Recovery takes silence for an answer only from the server that has prepared
    /// the branch. Empty where the server has no such name.
    [[nodiscard]] virtual std::string server_identity() const { return {}; }

    /// False when the state of the session is not certain: then it is closed, never used again.
    [[nodiscard]] virtual bool is_reusable() const noexcept = 0;
    /// True between the answer to start and the next verb: only then may the application use it.
    [[nodiscard]] virtual bool is_open_to_application() const noexcept = 0;
};

}  // namespace xa_tm
