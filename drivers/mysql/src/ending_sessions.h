#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>

namespace xa_tm::mysql {

/// The server lets go of a session a little before its engine lets go of the session's branch.
inline constexpr const char* kPauseBehindSession = "do sleep(0.5)";

/// The sessions of this process that were closed while a branch may have been prepared on them, by
/// their named locks. MariaDB goes on with such a session for a moment, and that moment is
/// dangerous: see Connection.
///
/// A server that was restarted counts its sessions from 1 again, so a new session may get the name
/// of one that was lost with the server. The younger one proves that the older one has ended.
///
/// Ownership: shared by a datasource and its connections.
/// Thread safety: all members may be called from several threads at once.
class EndingSessions {
public:
    /// A session has taken its named lock. Gives what add() needs to tell it from others.
    [[nodiscard]] std::uint64_t begin(const std::string& lock_name) {
        const std::scoped_lock lock{mutex_};
        lock_names_.erase(lock_name);
        return youngest_[lock_name] = ++begun_;
    }
    /// That session was closed; no news if a younger one has its name.
    void add(const std::string& lock_name, std::uint64_t session) {
        const std::scoped_lock lock{mutex_};
        if (youngest_[lock_name] == session) {
            lock_names_.insert(lock_name);
        }
    }
    void remove(const std::set<std::string>& lock_names) {
        const std::scoped_lock lock{mutex_};
        for (const auto& name : lock_names) {
            lock_names_.erase(name);
        }
    }
    [[nodiscard]] std::set<std::string> lock_names() const {
        const std::scoped_lock lock{mutex_};
        return lock_names_;
    }

private:
    mutable std::mutex mutex_;
    std::set<std::string> lock_names_;
    std::uint64_t begun_ = 0;
    std::map<std::string, std::uint64_t> youngest_;  ///< of each name
};

}  // namespace xa_tm::mysql
