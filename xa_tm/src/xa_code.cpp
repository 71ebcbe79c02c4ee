#include "xa_tm/xa_code.h"

#include "xa_tm/connection.h"

namespace xa_tm {

std::string_view to_string(XaCode code) noexcept {
    switch (code) {
        case XaCode::ok: return "XA_OK";
        case XaCode::rdonly: return "XA_RDONLY";
        case XaCode::retry: return "XA_RETRY";
        case XaCode::heurmix: return "XA_HEURMIX";
        case XaCode::heurrb: return "XA_HEURRB";
        case XaCode::heurcom: return "XA_HEURCOM";
        case XaCode::heurhaz: return "XA_HEURHAZ";
        case XaCode::rbrollback: return "XA_RBROLLBACK";
        case XaCode::rbcommfail: return "XA_RBCOMMFAIL";
        case XaCode::rbdeadlock: return "XA_RBDEADLOCK";
        case XaCode::rbintegrity: return "XA_RBINTEGRITY";
        case XaCode::rbother: return "XA_RBOTHER";
        case XaCode::rbproto: return "XA_RBPROTO";
        case XaCode::rbtimeout: return "XA_RBTIMEOUT";
        case XaCode::rbtransient: return "XA_RBTRANSIENT";
        case XaCode::rmerr: return "XAER_RMERR";
        case XaCode::nota: return "XAER_NOTA";
        case XaCode::inval: return "XAER_INVAL";
        case XaCode::proto: return "XAER_PROTO";
        case XaCode::rmfail: return "XAER_RMFAIL";
        case XaCode::dupid: return "XAER_DUPID";
        case XaCode::outside: return "XAER_OUTSIDE";
    }
    return "not an XA code";
}

std::string_view to_string(Verb verb) noexcept {
    switch (verb) {
        case Verb::start: return "start";
        case Verb::execute: return "execute";
        case Verb::prepare: return "prepare";
        case Verb::commit_one_phase: return "commit_one_phase";
        case Verb::commit_with_decision: return "commit_with_decision";
        case Verb::commit: return "commit";
        case Verb::rollback: return "rollback";
        case Verb::recover: return "recover";
        case Verb::locate: return "locate";
        case Verb::end_session: return "end_session";
        case Verb::end_ended_sessions: return "end_ended_sessions";
        case Verb::examine: return "examine";
        case Verb::list_decisions: return "list_decisions";
        case Verb::forget_decisions: return "forget_decisions";
        case Verb::list_witnesses: return "list_witnesses";
        case Verb::forget_witnesses: return "forget_witnesses";
    }
    return "not a verb";
}

}  // namespace xa_tm
