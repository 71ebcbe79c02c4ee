#include <cstdio>
#include <string>
#include <variant>
#include <vector>

#include <boost/log/core.hpp>
#include <fmt/format.h>

#include "command_line.h"
#include "failure.h"
#include "text.h"
#include "uri_text.h"

using namespace xa_tm::cli;

int main(int argc, char** argv) {
    // First of all: until then other users of this machine can read them in the list of processes.
    const std::vector<std::string> words{argv, argv + argc};
    mask_passwords(argc, argv);
    // Whatever the library would log is in the report, and standard output is the report's.
    boost::log::core::get()->set_logging_enabled(false);
    try {
        CommandLine line;
        const auto parsed = line.parse(words);
        if (const auto* information = std::get_if<Information>(&parsed)) {
            write_out(information->text);
            return kNothingInDoubt;
        }
        return std::get<Invocation>(parsed).run();
    } catch (...) {
        const auto failure = current_failure();
        // What could not be understood may have been a URI.
        fmt::print(stderr, "xa-recover: {}\n", without_passwords(failure.message));
        return failure.exit_code;
    }
}
