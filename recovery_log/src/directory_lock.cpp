#include "directory_lock.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include "io.h"

// Invariants:
// - The table holds one open file for each lock of this process; the lock lives as long as that
// open file.
// - A forked child starts with an empty table and closed files. Otherwise it would keep the lock of
// a parent
//   that died, because the lock belongs to the open file that both share.
// - No call of the file system is made under the table's mutex, which a fork has to wait for.
// - LOCK is never removed: a new file of that name would be a second lock.
namespace xa_tm::recovery_log {
namespace {

/// Its text always fills the same bytes, so that one write replaces the whole of it.
constexpr std::size_t kLockTextBytes = 512;

struct Table {
    std::mutex mutex;
    std::map<FileIdentity, std::unique_ptr<File>> held;
};

Table& table() {
    // Never destroyed: a log may be, after the statics of this file were.
    static Table& instance = *[] {
        auto* created = new Table;
        ::pthread_atfork([] { table().mutex.lock(); }, [] { table().mutex.unlock(); },
                         [] {
                             table().held.clear();
                             table().mutex.unlock();
                         });
        return created;
    }();
    return instance;
}

std::string host_name() {
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) {
        return "unknown";
    }
    return name.data();
}

/// Tells a pid of this boot from an equal one of an earlier boot.
const std::string& boot_id() {
    static const std::string& known = *new std::string{[] {
        std::ifstream file{"/proc/sys/kernel/random/boot_id"};
        std::string id;
        std::getline(file, id);
        return id.empty() ? "unknown" : id;
    }()};
    return known;
}

std::string lock_text(std::uint32_t epoch) {
    auto text = fmt::format("pid {}\nhost {}\nboot {}\nepoch {}\n", ::getpid(), host_name(),
                            boot_id(), epoch);
    text.resize(kLockTextBytes - 1, ' ');
    text += '\n';
    return text;
}

/// What stands behind `key` in its line of the text; empty when it does not stand there.
std::string_view field(std::string_view text, std::string_view key) {
    const auto at = text.find(key);
    if (at == std::string_view::npos) {
        return {};
    }
    text.remove_prefix(at + key.size());
    return text.substr(0, text.find('\n'));
}

LogOwner read_owner(File& file) {
    const auto bytes = read_whole(file);
    const std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    LogOwner owner{.pid = 0, .host = std::string{field(text, "host ")}};
    const auto pid = field(text, "pid ");
    std::from_chars(pid.data(), pid.data() + pid.size(), owner.pid);
    return owner;
}

LogError in_use(const std::filesystem::path& directory, const LogOwner& owner,
                std::string_view what_to_do) {
    return {LogErrorCode::in_use,
            fmt::format("{}: the log is in use by process {} on host {}; {}", directory.native(),
                        owner.pid, owner.host.empty() ? "unknown" : owner.host, what_to_do)};
}

/// A process that was killed keeps its lock until the kernel has taken it apart.
SysResult try_lock_patiently(File& file) {
    constexpr std::chrono::milliseconds kPause{10};
    constexpr int kAttempts = 25;
    for (int attempt = 1;; ++attempt) {
        const auto result = file.try_lock();
        if (result != -EAGAIN || attempt == kAttempts) {
            return result;
        }
        std::this_thread::sleep_for(kPause);
    }
}

}  // namespace

DirectoryLock::DirectoryLock(File& file, FileIdentity identity)
    : file_{file}, identity_{identity}, pid_{::getpid()} {}

std::unique_ptr<DirectoryLock> DirectoryLock::acquire(FileSystem& file_system,
                                                      const std::filesystem::path& directory) {
    auto file = open_file(file_system, directory / kLockFile, OpenMode::create_or_open);
    FileIdentity identity;
    if (const auto result = file->identity(identity); result < 0) {
        throw IoError{"examine", file->path(), static_cast<int>(-result)};
    }
    const auto result = try_lock_patiently(*file);
    Table& locks = table();
    if (result == -EAGAIN) {
        const auto owner = read_owner(*file);
        const std::lock_guard guard{locks.mutex};
        throw locks.held.contains(identity)
            ? in_use(directory, {.pid = ::getpid(), .host = host_name()},
                     "that is this process: close the other one, or share it")
            : in_use(directory, owner,
                     "stop that process first, or give this one a directory of its own");
    }
    if (result < 0) {
        throw IoError{"lock", file->path(), static_cast<int>(-result)};
    }
    const std::lock_guard guard{locks.mutex};
    File& locked = *(locks.held[identity] = std::move(file));
    return std::unique_ptr<DirectoryLock>{new DirectoryLock{locked, identity}};
}

DirectoryLock::~DirectoryLock() {
    if (pid_ != ::getpid()) {
        return;  // a forked child: the lock is its parent's, and file_ is closed already
    }
    std::unique_lock guard{table().mutex};
    const auto released = table().held.extract(identity_);
    guard.unlock();  // the file is closed behind it
}

void DirectoryLock::publish(std::uint32_t epoch) {
    const auto text = lock_text(epoch);
    // Not synced: it says who lives, and after a crash of the machine nobody does.
    write_all(file_, std::as_bytes(std::span{text}), 0);
}

std::optional<LogOwner> find_owner(FileSystem& file_system,
                                   const std::filesystem::path& directory) {
    try {
        const auto file = open_file(file_system, directory / kLockFile, OpenMode::read);
        const auto result = file->is_locked();
        if (result < 0) {
            throw IoError{"query the lock of", file->path(), static_cast<int>(-result)};
        }
        return result == 0 ? std::nullopt : std::optional{read_owner(*file)};
    } catch (const IoError& error) {
        if (error.error_number() == ENOENT) {
            return std::nullopt;
        }
        throw;
    }
}

}  // namespace xa_tm::recovery_log
