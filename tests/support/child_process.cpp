#include "child_process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <system_error>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace xa_tm::test {
namespace {

int checked(int result, const char* what) {
    if (result < 0) {
        throw std::system_error(errno, std::generic_category(), what);
    }
    return result;
}

[[noreturn]] void become(const std::vector<char*>& argv,
                         const ChildProcess::Environment& environment, int output) {
    for (const auto& [name, value] : environment) {
        ::setenv(name.c_str(), value.c_str(), 1);
    }
    ::dup2(output, STDOUT_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
}

}  // namespace

ChildProcess::ChildProcess(std::vector<std::string> arguments, const Environment& environment) {
    std::vector<char*> argv;
    for (auto& argument : arguments) {
        argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    std::array<int, 2> pipe{};
    checked(::pipe2(pipe.data(), O_CLOEXEC), "pipe2");
    pid_ = checked(::fork(), "fork");
    if (pid_ == 0) {
        become(argv, environment, pipe[1]);
    }
    ::close(pipe[1]);
    output_ = pipe[0];
}

ChildProcess::~ChildProcess() {
    if (!is_reaped_) {
        kill();
        ::waitpid(pid_, nullptr, 0);
    }
    ::close(output_);
}

ChildProcess::End ChildProcess::wait() {
    std::string output;
    std::array<char, 4096> buffer;
    for (ssize_t got = 0; (got = ::read(output_, buffer.data(), buffer.size())) > 0;) {
        output.append(buffer.data(), static_cast<std::size_t>(got));
    }
    if (!is_reaped_) {
        checked(::waitpid(pid_, &status_, 0), "waitpid");
        is_reaped_ = true;
    }
    return {WIFEXITED(status_) ? WEXITSTATUS(status_) : -1,
            WIFSIGNALED(status_) ? WTERMSIG(status_) : 0, std::move(output)};
}

bool ChildProcess::wait_until_stopped() {
    checked(::waitpid(pid_, &status_, WUNTRACED), "waitpid");
    is_reaped_ = !WIFSTOPPED(status_);
    return !is_reaped_;
}

void ChildProcess::resume() {
    checked(::kill(pid_, SIGCONT), "SIGCONT");
}

void ChildProcess::kill() {
    ::kill(pid_, SIGKILL);
}

}  // namespace xa_tm::test
