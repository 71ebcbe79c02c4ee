#pragma once

#include <string_view>

namespace xa_tm {

/// The return codes of XA (XA §4.3, xa.h), with the specification's values.
enum class XaCode : int {
    ok = 0,
    rdonly = 3,  ///< the branch wrote nothing; it is committed and forgotten
    retry = 4,   ///< the branch is busy; the same verb may be sent again
    heurmix = 5,
    heurrb = 6,
    heurcom = 7,
    heurhaz = 8,
    rbrollback = 100,  ///< first of the codes that say: the branch is rolled back
    rbcommfail = 101,
    rbdeadlock = 102,
    rbintegrity = 103,
    rbother = 104,
    rbproto = 105,
    rbtimeout = 106,
    rbtransient = 107,  ///< last of them
    rmerr = -3,         ///< the resource manager refused the verb; the branch is as it was before
    nota = -4,          ///< it does not know the xid
    inval = -5,         ///< invalid arguments
    proto = -6,    ///< the verb does not fit the branch's state; the branch is as it was before
    rmfail = -7,   ///< the connection is gone: whether the verb was carried out is not known
    dupid = -8,    ///< the xid is in use already
    outside = -9,  ///< the session is doing work outside a global transaction
};

/// True for XA_RBROLLBACK to XA_RBTRANSIENT: the branch has been rolled back.
[[nodiscard]] constexpr bool is_rolled_back(XaCode code) noexcept {
    return code >= XaCode::rbrollback && code <= XaCode::rbtransient;
}

/// True for the answers that tell of a heuristic decision at the resource manager.
[[nodiscard]] constexpr bool is_heuristic(XaCode code) noexcept {
    return code >= XaCode::heurmix && code <= XaCode::heurhaz;
}

/// The specification's name, such as "XA_RBDEADLOCK" or "XAER_NOTA".
[[nodiscard]] std::string_view to_string(XaCode code) noexcept;

}  // namespace xa_tm
