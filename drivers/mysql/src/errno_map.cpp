#include "errno_map.h"

#include <array>

namespace xa_tm::mysql {
namespace {

/// In which situation an error met a verb; the same errno means different things.
enum class Situation {
    any,
    ending,     ///< prepare or commit in one phase of the session's own branch
    finishing,  ///< commit or rollback of a prepared branch: an error leaves it prepared
    working,    ///< a statement of the application
    other,
};

struct Row {
    Situation situation;
    int first;
    int last;
    XaCode code;
    std::string_view advice;
};

// The first row that fits counts. Numbers below 2000 and above 3000 are the server's, those between
// are the client library's.
constexpr std::array kRows{
    // The session has ended, or what it still says can't be trusted: nobody knows how far the verb
    // came.
    Row{Situation::any, 2000, 2999, XaCode::rmfail, ""},  // CR_...: lost, timed out, out of step
    Row{Situation::any, 1053, 1053, XaCode::rmfail, ""},  // ER_SERVER_SHUTDOWN
    Row{Situation::any, 1077, 1080, XaCode::rmfail, ""},  // normal shutdown, signal, forced close
    Row{Situation::any, 1152, 1153, XaCode::rmfail, ""},  // aborted connection, packet too large
    Row{Situation::any, 1156, 1161, XaCode::rmfail, ""},  // ER_NET_...
    Row{Situation::any, 1184, 1184, XaCode::rmfail, ""},  // ER_NEW_ABORTING_CONNECTION
    Row{Situation::any, 1927, 1927, XaCode::rmfail, ""},  // MariaDB: ER_CONNECTION_KILLED
    Row{Situation::any, 3169, 3169, XaCode::rmfail, ""},  // MySQL: ER_SESSION_WAS_KILLED
    Row{Situation::any, 4031, 4031, XaCode::rmfail, ""},  // MySQL: ER_CLIENT_INTERACTION_TIMEOUT

    // A prepared branch that wrote nothing is rolled back by MariaDB when its session ends.
    Row{Situation::finishing, 1402, 1402, XaCode::rdonly, ""},

    // XA_RB...: the branch can only be rolled back, or has been.
    Row{Situation::any, 1402, 1402, XaCode::rbrollback, ""},  // ER_XA_RBROLLBACK
    Row{Situation::any, 1613, 1613, XaCode::rbtimeout, ""},   // ER_XA_RBTIMEOUT
    Row{Situation::any, 1614, 1614, XaCode::rbdeadlock, ""},  // ER_XA_RBDEADLOCK

    // XA PREPARE and XA COMMIT ... ONE PHASE roll the branch back when they can't go on.
    Row{Situation::ending, 1213, 1213, XaCode::rbdeadlock, ""},  // ER_LOCK_DEADLOCK
    Row{Situation::ending, 1205, 1205, XaCode::rbtimeout, ""},   // lock_wait_timeout
    Row{Situation::ending, 1969, 1969, XaCode::rbtimeout, ""},   // MariaDB: max_statement_time
    Row{Situation::ending, 1317, 1317, XaCode::rbrollback, ""},  // KILL QUERY
    // Error during COMMIT: how far it came is not known.
    Row{Situation::ending, 1180, 1180, XaCode::rmfail, ""},

    // XA COMMIT and XA ROLLBACK leave the branch prepared when they can't go on.
    Row{Situation::finishing, 1205, 1205, XaCode::retry, ""},
    Row{Situation::finishing, 1213, 1213, XaCode::retry, ""},
    Row{Situation::finishing, 1317, 1317, XaCode::retry, ""},
    Row{Situation::finishing, 1969, 1969, XaCode::retry, ""},

    // The server rolls the whole transaction back for a deadlock, and a statement for the rest.
    // These
    // are the application's errors, and the branch can go on.
    Row{Situation::working, 1213, 1213, XaCode::rbdeadlock, ""},
    Row{Situation::working, 1064, 1064, XaCode::rmerr,
        "send one statement at a time, without its semicolon"},
    Row{Situation::working, 1399, 1399, XaCode::rmerr,
        "DDL, LOCK TABLES and statements that begin or end a transaction can't be run inside a "
        "global transaction; the branch can only be rolled back"},
    Row{Situation::working, 4091, 4091, XaCode::rmerr,  // MySQL, with xa_detach_on_prepare
        "use a table that is not temporary"},
    Row{Situation::working, 1397, 1440, XaCode::rmerr, ""},  // XAER_...

    Row{Situation::any, 1397, 1397, XaCode::nota, ""},   // ER_XAER_NOTA
    Row{Situation::any, 1398, 1398, XaCode::inval, ""},  // ER_XAER_INVAL
    Row{Situation::any, 1064, 1064, XaCode::inval,       // syntax: all but the xid is fixed text
        "the server can't name this xid; its formatID must be 0 to 2147483647"},
    // ER_XAER_RMFAIL by name, but its meaning is "in the wrong state": the server is well.
    Row{Situation::any, 1399, 1399, XaCode::proto, ""},
    Row{Situation::any, 1400, 1400, XaCode::outside, ""},  // ER_XAER_OUTSIDE
    Row{Situation::any, 1401, 1401, XaCode::rmerr,         // ER_XAER_RMERR: MySQL, XA RECOVER
        "grant XA_RECOVER_ADMIN to this user"},
    Row{Situation::any, 1440, 1440, XaCode::dupid, ""},  // ER_XAER_DUPID
    Row{Situation::any, 1235, 1235, XaCode::rmerr,       // Galera: wsrep_on
        "XA needs a server outside a Galera cluster"},
};

constexpr Situation situation_of(Verb verb) {
    switch (verb) {
        case Verb::prepare:
        case Verb::commit_one_phase:
        case Verb::commit_with_decision: return Situation::ending;
        case Verb::commit:
        case Verb::rollback: return Situation::finishing;
        case Verb::execute: return Situation::working;
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

struct ConnectRow {
    int error;
    ErrorCode code;
    std::string_view advice;
};

constexpr std::string_view kCheckHost =
    "check host and port or socket in the URI, and that the server runs";
constexpr std::string_view kCheckUser =
    "check user and password in the URI, and the server's grants";
constexpr std::string_view kCheckLimit = "raise the server's limit or lower pool_size_max";

constexpr std::array kConnectRows{
    ConnectRow{2002, ErrorCode::resource_unreachable, kCheckHost},  // socket, or host, not reached
    ConnectRow{2003, ErrorCode::resource_unreachable, kCheckHost},
    ConnectRow{2005, ErrorCode::resource_unreachable, kCheckHost},  // unknown host
    ConnectRow{2006, ErrorCode::resource_unreachable, kCheckHost},
    ConnectRow{2012, ErrorCode::resource_unreachable, kCheckHost},  // broken handshake
    ConnectRow{2013, ErrorCode::resource_unreachable, kCheckHost},
    ConnectRow{1053, ErrorCode::resource_unreachable, "try again when it has started"},
    ConnectRow{1040, ErrorCode::resource_unreachable, kCheckLimit},  // too many connections
    ConnectRow{1203, ErrorCode::resource_unreachable, kCheckLimit},  // of this user
    ConnectRow{1226, ErrorCode::resource_unreachable, kCheckLimit},  // of this user, by a quota
    ConnectRow{1045, ErrorCode::authentication_failed, kCheckUser},
    ConnectRow{1130, ErrorCode::authentication_failed, kCheckUser},  // not from this host
    ConnectRow{1698, ErrorCode::authentication_failed, kCheckUser},  // MariaDB: plugin said no
    ConnectRow{2059, ErrorCode::authentication_failed, kCheckUser},  // plugin can't be loaded
    ConnectRow{1044, ErrorCode::authentication_failed,
               "check the database's name in the URI, and the user's grants on it"},
    ConnectRow{1049, ErrorCode::resource_refused, "check the database's name in the URI"},
    ConnectRow{2026, ErrorCode::resource_refused,  // TLS
               "check ssl-mode, ssl-ca, ssl-cert and ssl-key in the URI, and the server's "
               "certificate"},
    ConnectRow{2019, ErrorCode::invalid_configuration, "correct charset in the URI"},
};

}  // namespace

Meaning meaning_of(Verb verb, int error, std::string_view message) noexcept {
    // MariaDB says so of a branch that it chose as a deadlock's victim. The state's name is not
    // translated.
    if (error == 1399 && message.find("ROLLBACK ONLY") != std::string_view::npos) {
        return {XaCode::rbdeadlock,
                "a deadlock or a lost lock forced the server to give the branch up"};
    }
    const auto situation = situation_of(verb);
    for (const auto& row : kRows) {
        if ((row.situation == Situation::any || row.situation == situation) && error >= row.first &&
            error <= row.last) {
            return {row.code, row.advice};
        }
    }
    return {XaCode::rmerr, ""};
}

bool is_conflict(XaCode meaning, int error) noexcept {
    return meaning == XaCode::rbdeadlock || error == 1205 ||  // innodb_lock_wait_timeout
           error == 3572;                                     // MySQL: NOWAIT
}

ConnectFailure classify_connect_failure(int error) noexcept {
    for (const auto& row : kConnectRows) {
        if (row.error == error) {
            return {row.code, row.advice};
        }
    }
    return {ErrorCode::resource_refused, "check the URI and the server's log"};
}

}  // namespace xa_tm::mysql
