#include "child_process.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ostream>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace xa_tm::test {
namespace {

constexpr std::chrono::seconds kLimit{120};

int checked(int result, const char* what) {
    if (result < 0) {
        throw std::system_error(errno, std::generic_category(), what);
    }
    return result;
}

[[noreturn]] void become(const std::vector<char*>& argv,
                         const ChildProcess::Environment& environment, int out, int err) {
    for (const auto& [name, value] : environment) {
        ::setenv(name.c_str(), value.c_str(), 1);
    }
    // A signal that we hold back is not held back from the program.
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(err, STDERR_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
}

/// Reads what is there; false at the end.
bool take(int descriptor, std::string& into) {
    std::array<char, 4096> buffer;
    const auto got = ::read(descriptor, buffer.data(), buffer.size());
    if (got > 0) {
        into.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return got > 0;
}

}  // namespace

std::ostream& operator<<(std::ostream& stream, const Completed& completed) {
    return stream << "exit code " << completed.exit_code << ", signal " << completed.signal
                  << "\n--- standard output\n"
                  << completed.out << "--- standard error\n"
                  << completed.err;
}

ChildProcess::ChildProcess(std::vector<std::string> arguments, const Environment& environment) {
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (auto& argument : arguments) {
        argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    std::array<int, 2> out{};
    std::array<int, 2> err{};
    checked(::pipe2(out.data(), O_CLOEXEC), "pipe2");
    checked(::pipe2(err.data(), O_CLOEXEC), "pipe2");
    pid_ = checked(::fork(), "fork");
    if (pid_ == 0) {
        become(argv, environment, out[1], err[1]);
    }
    ::close(out[1]);
    ::close(err[1]);
    out_ = out[0];
    err_ = err[0];
}

ChildProcess::~ChildProcess() {
    if (!is_reaped_) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    ::close(out_);
    ::close(err_);
}

Completed ChildProcess::wait() {
    Completed completed{.exit_code = -1, .signal = 0, .out = {}, .err = {}};
    if (!take_output(completed)) {
        ::kill(pid_, SIGKILL);
        completed.err += "killed: it has not ended in time\n";
    }
    if (!is_reaped_) {
        checked(::waitpid(pid_, &status_, 0), "waitpid");
        is_reaped_ = true;
    }
    completed.exit_code = WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
    completed.signal = WIFSIGNALED(status_) ? WTERMSIG(status_) : 0;
    return completed;
}

/// Until both streams have ended; false when the time is up before.
bool ChildProcess::take_output(Completed& completed) {
    const auto deadline = std::chrono::steady_clock::now() + kLimit;
    std::array<pollfd, 2> waiting{pollfd{out_, POLLIN, 0}, pollfd{err_, POLLIN, 0}};
    while (waiting[0].fd >= 0 || waiting[1].fd >= 0) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            return false;
        }
        static_cast<void>(::poll(waiting.data(), waiting.size(), static_cast<int>(left.count())));
        if (waiting[0].revents != 0 && !take(out_, completed.out)) {
            waiting[0].fd = -1;
        }
        if (waiting[1].revents != 0 && !take(err_, completed.err)) {
            waiting[1].fd = -1;
        }
        waiting[0].revents = waiting[1].revents = 0;
    }
    return true;
}

bool ChildProcess::wait_until_stopped() {
    checked(::waitpid(pid_, &status_, WUNTRACED), "waitpid");
    is_reaped_ = !WIFSTOPPED(status_);
    return !is_reaped_;
}

void ChildProcess::resume() {
    checked(::kill(pid_, SIGCONT), "SIGCONT");
}

Completed run_program(std::vector<std::string> arguments,
                      const ChildProcess::Environment& environment) {
    return ChildProcess{std::move(arguments), environment}.wait();
}

}  // namespace xa_tm::test
