#pragma once

#include <mutex>
#include <set>
#include <string>

namespace xa_tm::mysql {

/// The sessions of this process that were closed while a branch may have been prepared on them, by
/// their named locks. MariaDB goes on with such a session for a moment, and that moment is
/// dangerous: see Connection.
///
/// Ownership: shared by a datasource and its connections.
/// Thread safety: all members may be called from several threads at once.
class EndingSessions {
public:
    void add(std::string lock_name) {
        const std::scoped_lock lock{mutex_};
        lock_names_.insert(std::move(lock_name));
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
};

}  // namespace xa_tm::mysql
