#include "program.h"

#include <chrono>
#include <csignal>
#include <utility>

namespace xa_tm::test {

Program::Program(std::vector<std::string> arguments)
    : process_{std::move(arguments)}, completed_{std::async(std::launch::async, [this] {
                                                     return process_.wait();
                                                 }).share()} {}

Program::~Program() {
    signal(SIGKILL);
    completed_.wait();
}

bool Program::has_ended() const {
    return completed_.wait_for(std::chrono::seconds{0}) == std::future_status::ready;
}

void Program::signal(int signal) const {
    if (!has_ended()) {
        ::kill(process_.pid(), signal);
    }
}

Completed Program::end() {
    return completed_.get();
}

}  // namespace xa_tm::test
