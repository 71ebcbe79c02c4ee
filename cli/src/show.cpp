#include <cstdio>
#include <string>

#include <fmt/format.h>

#include "commands.h"
#include "exit_code.h"
#include "report_view.h"

namespace xa_tm::cli {

int show(const Request& request, std::string_view gtrid) {
    const auto report = only(look(request), gtrid);
    if (!report.transactions.empty()) {
        print(report, request, {.has_details = true});
        return exit_code_of(report);
    }
    for (const auto& resource : report.resources) {
        if (!resource.is_reachable) {
            fmt::print(stderr, "xa-recover: {} could hide the transaction: {}\n", resource.name,
                       resource.error);
        }
    }
    if (!report.is_complete()) {
        return kUnreadable;
    }
    throw ConfigurationError{
        fmt::format("no transaction {} is in doubt: it has finished, or its gtrid is another; "
                    "`xa-recover list` "
                    "shows all",
                    gtrid)};
}

}  // namespace xa_tm::cli
