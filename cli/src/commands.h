#pragma once

#include <span>

#include "command.h"

namespace xa_tm::cli {

#define XA_RECOVER_COMMAND(name) extern const Command name;
#include "commands.def"
#undef XA_RECOVER_COMMAND

/// All of commands.def.
[[nodiscard]] std::span<const Command* const> all_commands() noexcept;

}  // namespace xa_tm::cli
