#include "child_process.h"

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace xa_tm::bench {

ChildProcess::ChildProcess(std::vector<std::string> arguments) {
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
        throw std::system_error(errno, std::generic_category(), "pipe");
    }
    arguments.insert(arguments.begin(), "recovery_log_benchmark");
    std::vector<char*> argv;
    for (auto& argument : arguments) {
        argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
    const int error =
        ::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(pipe[1]);
    out_ = pipe[0];
    if (error != 0) {
        ::close(out_);
        throw std::system_error(error, std::generic_category(), "posix_spawn");
    }
}

ChildProcess::~ChildProcess() {
    ::close(out_);
    wait();
}

int ChildProcess::wait() {
    int status = 0;
    if (pid_ > 0) {
        ::waitpid(std::exchange(pid_, -1), &status, 0);
    }
    return status;
}

nlohmann::json ChildProcess::answer() {
    std::string text;
    std::array<char, 4096> buffer;
    for (ssize_t got = 0; (got = ::read(out_, buffer.data(), buffer.size())) > 0;) {
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    if (const int status = wait(); status != 0) {
        throw std::runtime_error{
            "a child process of the benchmark has failed; see its error above"};
    }
    return nlohmann::json::parse(text);
}

}  // namespace xa_tm::bench
