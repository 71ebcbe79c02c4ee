#include "xa_tm/operator_desk.h"
