#pragma once

#include <algorithm>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace xa_tm::mysql {

/// What the connections of one datasource know of sessions that are ending or have ended: those of
/// this process that were closed while a branch may have been prepared on them, by their own named
/// locks (session_mark.h); and whether those of processes that have ended are still there. MariaDB
/// goes on with such a session for a moment, and that moment is dangerous: see Connection.
///
/// Ownership: shared by a datasource and its connections.
/// Thread safety: all members may be called from several threads at once.
class EndingSessions {
public:
    void add(const std::string& lock_name) {
        const std::scoped_lock lock{mutex_};
        lock_names_.insert(lock_name);
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
    [[nodiscard]] bool are_none() const {
        const std::scoped_lock lock{mutex_};
        return lock_names_.empty();
    }

    /// The sessions with these marks have ended at this server, with all that they had in hand.
    /// Their processes have ended, so there will be no more of them.
    void note_gone(const std::string& server, const std::vector<std::string>& marks) {
        const std::scoped_lock lock{mutex_};
        for (const auto& mark : marks) {
            gone_.emplace(server, mark);
        }
    }
    [[nodiscard]] bool are_gone(const std::string& server,
                                const std::vector<std::string>& marks) const {
        const std::scoped_lock lock{mutex_};
        return std::ranges::all_of(marks, [&](const auto& mark) {
            return gone_.contains({server, mark});
        });
    }

private:
    mutable std::mutex mutex_;
    std::set<std::string> lock_names_;
    std::set<std::pair<std::string, std::string>> gone_;  ///< server and mark
};

}  // namespace xa_tm::mysql
