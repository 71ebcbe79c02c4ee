#include "contender_process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "interruption.h"

namespace xa_tm::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kGraceful{20};

int checked(int result, const char* what) {
    if (result < 0) {
        throw std::system_error(errno, std::generic_category(), what);
    }
    return result;
}

[[noreturn]] void become(const std::vector<char*>& argv, int in, int out, int err) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::setpgid(0, 0);  // Ctrl-C is for us: the contender is to end in good order
    release_interruptions();
    ::dup2(in, STDIN_FILENO);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(err, STDERR_FILENO);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
}

std::chrono::milliseconds to_ms(double seconds) {
    return std::chrono::ceil<std::chrono::milliseconds>(std::chrono::duration<double>(seconds));
}

}  // namespace

ContenderProcess::ContenderProcess(std::vector<std::string> command, const nlohmann::json& workload,
                                   const std::filesystem::path& directory)
    : stderr_file_{directory / "stderr"} {
    const auto workload_file = directory / "workload.json";
    std::ofstream{workload_file} << workload.dump(2) << '\n';
    command.push_back(workload_file);
    std::vector<char*> argv;
    for (auto& argument : command) {
        argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    checked(::pipe2(in.data(), O_CLOEXEC), "pipe2");
    checked(::pipe2(out.data(), O_CLOEXEC), "pipe2");
    const int err =
        checked(::open(stderr_file_.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600),
                stderr_file_.c_str());
    pid_ = checked(::fork(), "fork");
    if (pid_ == 0) {
        become(argv, in[0], out[1], err);
    }
    ::close(in[0]);
    ::close(out[1]);
    ::close(err);
    to_ = in[1];
    from_ = out[0];
}

ContenderProcess::~ContenderProcess() {
    close();
    ::close(from_);
}

nlohmann::json ContenderProcess::next_event(std::chrono::milliseconds patience) {
    const auto line = read_line(patience);
    try {
        return nlohmann::json::parse(line);
    } catch (const nlohmann::json::exception&) {
        throw std::runtime_error(fmt::format("writes no JSON but \"{}\"", line));
    }
}

nlohmann::json ContenderProcess::go(double seconds, std::optional<std::uint64_t> transactions) {
    nlohmann::json request{{"go", seconds}};
    if (transactions) {
        request["transactions"] = *transactions;
    }
    const auto line = request.dump() + "\n";
    longest_go_ = std::max(longest_go_, to_ms(seconds));
    if (::write(to_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
        throw std::runtime_error(last_words());
    }
    // Transactions that hang on a lock end when the server's time for that is up.
    auto result = next_event(to_ms(seconds) + std::chrono::seconds{60});
    if (result.value("event", "") != "result") {
        throw std::runtime_error(fmt::format("answers {} instead of a result", result.dump()));
    }
    return result;
}

void ContenderProcess::close() {
    if (to_ >= 0) {
        ::close(std::exchange(to_, -1));
    }
    const auto deadline = Clock::now() + longest_go_ + kGraceful;
    while (pid_ > 0) {
        const bool is_late = Clock::now() >= deadline;
        if (is_late) {
            ::kill(pid_, SIGKILL);
        }
        if (::waitpid(pid_, nullptr, is_late ? 0 : WNOHANG) != 0) {
            pid_ = -1;
        } else {
            std::this_thread::sleep_for(std::chrono::milliseconds{2});
        }
    }
}

std::string ContenderProcess::last_words() const {
    std::ifstream file{stderr_file_};
    std::string last;
    for (std::string line; std::getline(file, line);) {
        last = line.empty() ? last : line;
    }
    return last.empty() ? "ended without a word" : last;
}

std::string ContenderProcess::read_line(std::chrono::milliseconds patience) {
    const auto deadline = Clock::now() + patience;
    for (;;) {
        const auto end = received_.find('\n');
        if (end != std::string::npos) {
            auto line = received_.substr(0, end);
            received_.erase(0, end + 1);
            return line;
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        if (left.count() <= 0) {
            throw std::runtime_error("does not answer in time");
        }
        std::array<pollfd, 2> waiting{pollfd{from_, POLLIN, 0},
                                      pollfd{interruption_descriptor(), POLLIN, 0}};
        ::poll(waiting.data(), waiting.size(), static_cast<int>(left.count()));
        if (waiting[1].revents != 0) {
            throw Interrupted{};
        }
        if (waiting[0].revents == 0) {
            continue;
        }
        std::array<char, 4096> buffer;
        const auto got = ::read(from_, buffer.data(), buffer.size());
        if (got <= 0) {
            throw std::runtime_error(last_words());
        }
        received_.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

}  // namespace xa_tm::bench
