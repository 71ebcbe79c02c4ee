#include "xa_tm/postgres/branch_name.h"

#include "prepared_gid.h"

namespace xa_tm::postgres {

std::string branch_name(const Xid& xid) {
    return encode_gid(xid);
}

}  // namespace xa_tm::postgres
