#include "commands.h"

namespace xa_tm::cli {
namespace {

#define XA_RECOVER_COMMAND(name) &name,
constexpr const Command* kCommands[] = {
#include "commands.def"
};
#undef XA_RECOVER_COMMAND

}  // namespace

std::span<const Command* const> all_commands() noexcept {
    return kCommands;
}

}  // namespace xa_tm::cli
