#pragma once

#include "xa_tm/operator_desk.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::test {

/// Orders this for every transaction that is in doubt, as a person does who has read what the rules
/// say against it. The manager is not started.
void insist(TransactionManager& manager, OrderVerb verb);

}  // namespace xa_tm::test
