#include "commands.h"

namespace xa_tm::cli {

constinit const Command kLogCommand{
    .name = "log",
    .about = "Look into the recovery log itself",
    .notes = R"(These commands read the log's files and ask no server. All but `repair` take no
lock and change nothing, so they may run beside the application. DIR is the log's
folder; --log DIR or --config FILE give it as well.)",
    .examples = R"(xa-recover log verify /var/lib/shop/xa
xa-recover log tail --help)",
    .exit_codes = kLogExitCodes,
    .add_options = nullptr,
};

}  // namespace xa_tm::cli
