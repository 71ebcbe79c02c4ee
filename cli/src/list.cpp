#include <memory>

#include "commands.h"
#include "look.h"
#include "report_view.h"

namespace xa_tm::cli {
namespace {

int list(const Request& request) {
    const auto report = look(request);
    print(report, request);
    return exit_code_of(report);
}

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<ServerOptions>(app);
    return [options] { return list(options->request()); };
}

}  // namespace

constinit const Command kListCommand{
    .name = "list",
    .about = "Show everything in doubt",
    .notes = "",
    .examples = R"(xa-recover list --config /etc/shop/xa.toml
xa-recover list --log /var/lib/shop/xa --resource users=postgresql:///users \
                --resource points=mysql://shop@localhost/points
xa-recover list --config /etc/shop/xa.toml --json)",
    .exit_codes = kExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli
