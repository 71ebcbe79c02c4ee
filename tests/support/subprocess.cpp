#include "subprocess.h"

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

struct Pipe {
    Pipe() {
        std::array<int, 2> ends{};
        checked(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
        read_end = ends[0];
        write_end = ends[1];
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() {
        ::close(read_end);
        close_write_end();
    }
    void close_write_end() {
        if (write_end >= 0) {
            ::close(std::exchange(write_end, -1));
        }
    }

    int read_end;
    int write_end;
};

/// Reads what is there; false at the end.
bool take(int descriptor, std::string& into) {
    std::array<char, 4096> buffer;
    const auto got = ::read(descriptor, buffer.data(), buffer.size());
    if (got > 0) {
        into.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return got > 0;
}

/// Until both have ended; false when the time is up before.
bool take_all(const Pipe& out, const Pipe& err, Completed& completed) {
    const auto deadline = std::chrono::steady_clock::now() + kLimit;
    std::array<pollfd, 2> waiting{pollfd{out.read_end, POLLIN, 0}, pollfd{err.read_end, POLLIN, 0}};
    while (waiting[0].fd >= 0 || waiting[1].fd >= 0) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            return false;
        }
        static_cast<void>(::poll(waiting.data(), waiting.size(), static_cast<int>(left.count())));
        if (waiting[0].revents != 0 && !take(out.read_end, completed.out)) {
            waiting[0].fd = -1;
        }
        if (waiting[1].revents != 0 && !take(err.read_end, completed.err)) {
            waiting[1].fd = -1;
        }
        waiting[0].revents = waiting[1].revents = 0;
    }
    return true;
}

}  // namespace

Completed run_program(std::vector<std::string> arguments,
                      const std::vector<std::pair<std::string, std::string>>& environment) {
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (auto& argument : arguments) {
        argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    Pipe out;
    Pipe err;
    const auto pid = checked(::fork(), "fork");
    if (pid == 0) {
        for (const auto& [name, value] : environment) {
            ::setenv(name.c_str(), value.c_str(), 1);
        }
        ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
        ::dup2(out.write_end, STDOUT_FILENO);
        ::dup2(err.write_end, STDERR_FILENO);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    out.close_write_end();
    err.close_write_end();
    Completed completed{.exit_code = -1, .signal = 0, .out = {}, .err = {}};
    if (!take_all(out, err, completed)) {
        ::kill(pid, SIGKILL);
        completed.err += "killed: it has not ended in time\n";
    }
    int status = 0;
    checked(::waitpid(pid, &status, 0), "waitpid");
    completed.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    completed.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return completed;
}

std::ostream& operator<<(std::ostream& stream, const Completed& completed) {
    return stream << "exit code " << completed.exit_code << ", signal " << completed.signal
                  << "\n--- standard output\n"
                  << completed.out << "--- standard error\n"
                  << completed.err;
}

}  // namespace xa_tm::test
