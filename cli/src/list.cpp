#include "commands.h"
#include "report_view.h"

namespace xa_tm::cli {

int list(const Request& request) {
    const auto report = look(request);
    print(report, request);
    return exit_code_of(report);
}

}  // namespace xa_tm::cli
