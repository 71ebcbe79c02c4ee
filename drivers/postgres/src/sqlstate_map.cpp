#include "sqlstate_map.h"

#include <array>

namespace xa_tm::postgres {
namespace {

/// In which situation an error met a verb; the same SQLSTATE means different things.
enum class Situation {
    any,
    executing,  ///< a statement of the application: it has failed, whatever the branch's fate
    ending,     ///< prepare or commit in one phase: the error has rolled the transaction back
    finishing,  ///< commit or rollback of a prepared branch: the error leaves it prepared
    other,
};

struct Row {
    Situation situation;
    std::string_view sqlstate;  ///< five characters, or the two of a whole class
    XaCode code;
    std::string_view advice;
};

// The first row that fits counts. PostgreSQL: Appendix A, "PostgreSQL Error Codes".
constexpr std::array kRows{
    // In a statement these come from further servers that it has called (dblink, foreign tables),
    // or
    // from parameters that it lacks. A session that ended says so by having no SQLSTATE afterwards.
    Row{Situation::executing, "08", XaCode::rmerr, ""},

    // The session has ended, or is about to: nobody knows how far the verb came.
    Row{Situation::any, "", XaCode::rmfail, ""},       // the socket broke; the server said nothing
    Row{Situation::any, "08", XaCode::rmfail, ""},     // connection exceptions
    Row{Situation::any, "57P01", XaCode::rmfail, ""},  // pg_terminate_backend, or a fast shutdown
    Row{Situation::any, "57P02", XaCode::rmfail, ""},  // another backend crashed
    Row{Situation::any, "57P03", XaCode::rmfail, ""},  // starting up or shutting down
    Row{Situation::any, "57P04", XaCode::rmfail, ""},  // the database was dropped
    Row{Situation::any, "57P05", XaCode::rmfail, ""},  // idle_session_timeout
    Row{Situation::any, "25P03", XaCode::rmfail, ""},  // idle_in_transaction_session_timeout
    Row{Situation::any, "25P04", XaCode::rmfail, ""},  // transaction_timeout

    // PREPARE TRANSACTION or COMMIT failed: PostgreSQL has rolled the transaction back.
    Row{Situation::ending, "40001", XaCode::rbdeadlock, ""},  // serialization failure: run it again
    Row{Situation::ending, "40P01", XaCode::rbdeadlock, ""},  // deadlock victim
    Row{Situation::ending, "23", XaCode::rbintegrity, ""},  // deferred constraints are checked here
    Row{Situation::ending, "55P03", XaCode::rbtimeout, ""},  // lock_timeout
    Row{Situation::ending, "57014", XaCode::rbtimeout, ""},  // statement_timeout, or cancelled
    // Not XAER_DUPID, which would say that the branch is still there: a rollback by that xid would
    // then reach the other branch, the one that holds the name.
    Row{Situation::ending, "42710", XaCode::rbother,
        "another prepared transaction has this name; this branch was rolled back"},
    Row{Situation::ending, "0A000", XaCode::rbrollback,
        "a branch must not use temporary tables, LISTEN, NOTIFY, cursors WITH HOLD, exported "
        "snapshots, or one advisory lock for both session and transaction"},
    Row{Situation::ending, "55000", XaCode::rbrollback,
        "set max_prepared_transactions to at least max_connections and restart PostgreSQL"},
    Row{Situation::ending, "53200", XaCode::rbrollback,
        "raise max_prepared_transactions and restart PostgreSQL, or finish the transactions that "
        "pg_prepared_xacts lists"},

    // COMMIT PREPARED or ROLLBACK PREPARED failed: the branch is prepared as before.
    Row{Situation::finishing, "42704", XaCode::nota, ""},   // finished already, or never prepared
    Row{Situation::finishing, "55000", XaCode::retry, ""},  // another session is busy with it
    Row{Situation::finishing, "57014", XaCode::retry, ""},  // cancelled before anything was done
    Row{Situation::finishing, "42501", XaCode::rmerr,
        "connect as the role that prepared it or as a superuser"},
    Row{Situation::finishing, "0A000", XaCode::rmerr,
        "connect to the database that it was prepared in"},
    Row{Situation::finishing, "25006", XaCode::rmerr, "connect to the primary server"},
};

constexpr Situation situation_of(Verb verb) {
    switch (verb) {
        case Verb::prepare:
        case Verb::commit_one_phase:
        case Verb::commit_with_decision: return Situation::ending;
        case Verb::commit:
        case Verb::rollback: return Situation::finishing;
        case Verb::execute: return Situation::executing;
        case Verb::start:
        case Verb::recover:
        case Verb::locate:
        case Verb::end_session:
        case Verb::end_ended_sessions:
        case Verb::examine:
        case Verb::list_decisions:
        case Verb::forget_decisions:
        case Verb::list_witnesses:
        case Verb::forget_witnesses: break;
    }
    return Situation::other;
}

constexpr bool fits(const Row& row, Situation situation, std::string_view sqlstate) {
    if (row.situation != Situation::any && row.situation != situation) {
        return false;
    }
    return row.sqlstate.size() == 2 ? sqlstate.starts_with(row.sqlstate) : sqlstate == row.sqlstate;
}

struct ConnectRow {
    std::string_view words;
    ErrorCode code;
    std::string_view advice;
};

constexpr std::string_view kCheckHost = "check host and port in the URI, and that the server runs";
constexpr std::string_view kCheckUser =
    "check user and password in the URI, and pg_hba.conf of the server";

constexpr std::array kConnectRows{
    ConnectRow{"could not translate host name", ErrorCode::resource_unreachable, kCheckHost},
    ConnectRow{"Connection refused", ErrorCode::resource_unreachable, kCheckHost},
    ConnectRow{"No such file or directory", ErrorCode::resource_unreachable, kCheckHost},
    ConnectRow{"No route to host", ErrorCode::resource_unreachable, kCheckHost},
    ConnectRow{"Network is unreachable", ErrorCode::resource_unreachable, kCheckHost},
    ConnectRow{"timeout expired", ErrorCode::resource_unreachable, kCheckHost},
    ConnectRow{"closed the connection unexpectedly", ErrorCode::resource_unreachable, kCheckHost},
    ConnectRow{"Connection reset", ErrorCode::resource_unreachable, kCheckHost},
    ConnectRow{"the database system is", ErrorCode::resource_unreachable,
               "try again when it has started"},
    ConnectRow{"too many clients", ErrorCode::resource_unreachable,
               "raise max_connections of the server or lower pool_size_max"},
    ConnectRow{"remaining connection slots", ErrorCode::resource_unreachable,
               "raise max_connections of the server or lower pool_size_max"},
    ConnectRow{"authentication failed", ErrorCode::authentication_failed, kCheckUser},
    ConnectRow{"no password supplied", ErrorCode::authentication_failed, kCheckUser},
    ConnectRow{"no pg_hba.conf entry", ErrorCode::authentication_failed, kCheckUser},
    ConnectRow{"permission denied for database", ErrorCode::authentication_failed, kCheckUser},
    ConnectRow{"is not permitted to log in", ErrorCode::authentication_failed, kCheckUser},
    // After "authentication failed": the same message may speak of a role that does not exist.
    ConnectRow{"role \"", ErrorCode::authentication_failed, kCheckUser},
    ConnectRow{"database \"", ErrorCode::resource_refused, "check the database's name in the URI"},
    ConnectRow{"connection option", ErrorCode::invalid_configuration, "correct it in the URI"},
    ConnectRow{"invalid port number", ErrorCode::invalid_configuration, "correct it in the URI"},
};

}  // namespace

Meaning meaning_of(Verb verb, std::string_view sqlstate) noexcept {
    const auto situation = situation_of(verb);
    for (const auto& row : kRows) {
        if (fits(row, situation, sqlstate)) {
            return {row.code, row.advice};
        }
    }
    return {situation == Situation::ending ? XaCode::rbrollback : XaCode::rmerr, ""};
}

bool is_conflict(std::string_view sqlstate) noexcept {
    return sqlstate == "40001" ||  // serialization failure
           sqlstate == "40P01" ||  // deadlock victim
           sqlstate == "55P03";    // lock_timeout, or NOWAIT
}

ConnectFailure classify_connect_failure(std::string_view message) noexcept {
    for (const auto& row : kConnectRows) {
        if (message.find(row.words) != std::string_view::npos) {
            return {row.code, row.advice, true};
        }
    }
    return {ErrorCode::resource_refused, "check the URI and the server's log", false};
}

}  // namespace xa_tm::postgres
