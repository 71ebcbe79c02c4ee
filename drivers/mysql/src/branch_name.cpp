#include "xa_tm/mysql/branch_name.h"

#include "xid_literal.h"

namespace xa_tm::mysql {

std::string branch_name(const Xid& xid) {
    return xid_literal(xid);
}

}  // namespace xa_tm::mysql
