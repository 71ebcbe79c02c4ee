#include "simulated_file_system.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>

// Invariants:
// - Inode::seen is what programs read; Inode::durable what a crash leaves at least, without the
// dirty sectors.
// - seen_ is durable_ with all of changes_ applied in order.
namespace xa_tm::test {

using recovery_log::File;
using recovery_log::FileIdentity;
using recovery_log::OpenMode;
using recovery_log::SysResult;

struct SimulatedFileSystem::Inode {
    std::uint64_t number = 0;
    std::vector<std::byte> seen;
    std::vector<std::byte> durable;
    std::set<std::size_t> dirty_sectors;
    const File* lock_holder = nullptr;

    void write(std::span<const std::byte> bytes, std::size_t offset) {
        if (bytes.empty()) {
            return;
        }
        seen.resize(std::max(seen.size(), offset + bytes.size()));
        std::copy_n(bytes.data(), bytes.size(), seen.data() + offset);
        const std::size_t last = (offset + bytes.size() - 1) / kSectorBytes;
        for (std::size_t sector = offset / kSectorBytes; sector <= last; ++sector) {
            dirty_sectors.insert(sector);
        }
    }

    void make_sector_durable(std::size_t sector) {
        const std::size_t begin = sector * kSectorBytes;
        const std::size_t end = std::min(begin + kSectorBytes, seen.size());
        durable.resize(std::max(durable.size(), end));
        std::copy_n(seen.data() + begin, end - begin, durable.data() + begin);
    }

    void make_durable() {
        durable.resize(seen.size());
        for (const std::size_t sector : dirty_sectors) {
            make_sector_durable(sector);
        }
        dirty_sectors.clear();
    }
};

namespace {

bool creates(OpenMode mode) noexcept {
    return mode == OpenMode::create_new || mode == OpenMode::create_or_open ||
           mode == OpenMode::create_or_truncate;
}

}  // namespace

class SimulatedFileSystem::OpenFile final : public File {
public:
    OpenFile(SimulatedFileSystem& file_system, std::shared_ptr<Inode> inode,
             const std::filesystem::path& path)
        : File{path}, file_system_{file_system}, inode_{std::move(inode)} {}

    ~OpenFile() override {
        if (inode_->lock_holder == this) {
            inode_->lock_holder = nullptr;
        }
    }

    SysResult pread(std::span<std::byte> out, std::uint64_t offset) override {
        if (const auto answer = enter(Operation::pread)) {
            return *answer;
        }
        const auto begin = std::min<std::size_t>(offset, inode_->seen.size());
        const auto count = std::min(out.size(), inode_->seen.size() - begin);
        std::copy_n(inode_->seen.data() + begin, count, out.data());
        return static_cast<SysResult>(count);
    }

    SysResult pwrite(std::span<const std::byte> bytes, std::uint64_t offset) override {
        if (const auto answer = enter(Operation::pwrite)) {
            return write_part(bytes, offset, *answer);
        }
        if (!file_system_.has_space(*inode_, offset + bytes.size())) {
            return -ENOSPC;
        }
        inode_->write(bytes, offset);
        return static_cast<SysResult>(bytes.size());
    }

    SysResult allocate(std::uint64_t size_bytes) override {
        if (const auto answer = enter(Operation::allocate)) {
            return *answer;
        }
        if (!file_system_.has_space(*inode_, size_bytes)) {
            return -ENOSPC;
        }
        inode_->seen.resize(std::max<std::size_t>(inode_->seen.size(), size_bytes));
        return 0;
    }

    SysResult sync() override { return sync_as(Operation::sync); }
    SysResult datasync() override { return sync_as(Operation::datasync); }

    SysResult size() override { return static_cast<SysResult>(inode_->seen.size()); }

    SysResult identity(FileIdentity& out) override {
        if (const auto answer = enter(Operation::identity)) {
            return *answer;
        }
        out = {.device = file_system_.device_, .inode = inode_->number};
        return 0;
    }

    SysResult try_lock() override {
        if (const auto answer = enter(Operation::try_lock)) {
            return *answer;
        }
        if (inode_->lock_holder != nullptr && inode_->lock_holder != this) {
            return -EAGAIN;
        }
        inode_->lock_holder = this;
        return 0;
    }

    SysResult is_locked() override {
        if (const auto answer = enter(Operation::is_locked)) {
            return *answer;
        }
        return inode_->lock_holder != nullptr && inode_->lock_holder != this ? 1 : 0;
    }

private:
    std::optional<SysResult> enter(Operation operation) {
        return file_system_.enter(operation, path().filename().native());
    }

    /// What a write that failed or was cut short leaves behind: whole sectors, because no system
    /// copies less than that at a time.
    SysResult write_part(std::span<const std::byte> bytes, std::uint64_t offset, SysResult answer) {
        const auto wanted = answer < 0 ? bytes.size() / 2
                                       : std::min(bytes.size(), static_cast<std::size_t>(answer));
        const auto written = wanted / kSectorBytes * kSectorBytes;
        if (answer != -EINTR) {
            inode_->write(bytes.first(written), offset);
        }
        return answer < 0 ? answer : static_cast<SysResult>(written);
    }

    SysResult sync_as(Operation operation) {
        if (const auto answer = enter(operation)) {
            inode_->dirty_sectors.clear();
            return *answer;
        }
        inode_->make_durable();
        return 0;
    }

    SimulatedFileSystem& file_system_;
    std::shared_ptr<Inode> inode_;
};

std::string_view name_of(Operation operation) noexcept {
    switch (operation) {
        case Operation::open: return "open";
        case Operation::list: return "list";
        case Operation::rename: return "rename";
        case Operation::remove: return "remove";
        case Operation::sync_directory: return "sync_directory";
        case Operation::type: return "type";
        case Operation::pread: return "pread";
        case Operation::pwrite: return "pwrite";
        case Operation::allocate: return "allocate";
        case Operation::sync: return "sync";
        case Operation::datasync: return "datasync";
        case Operation::identity: return "identity";
        case Operation::try_lock: return "try_lock";
        case Operation::is_locked: return "is_locked";
    }
    return "unknown";
}

SimulatedFileSystem::SimulatedFileSystem(std::filesystem::path directory)
    : directory_{std::move(directory)} {
    // No real device has such a number, so that no lock of a real file is taken for one of ours.
    static std::atomic<std::uint64_t> last_device{std::uint64_t{1} << 63};
    device_ = ++last_device;
}

SimulatedFileSystem::~SimulatedFileSystem() = default;

std::optional<SysResult> SimulatedFileSystem::enter(Operation operation, std::string file) {
    const Call call{.number = calls_++, .operation = operation, .file = std::move(file)};
    return on_call ? on_call(call) : std::nullopt;
}

bool SimulatedFileSystem::has_space(const Inode& inode, std::size_t size_bytes) const {
    std::size_t needed = std::max(size_bytes, inode.seen.size()) - inode.seen.size();
    if (needed == 0) {
        return true;  // writing over what is there takes no space
    }
    for (const auto& [name, other] : seen_) {
        needed += other->seen.size();
    }
    return needed <= capacity_bytes;
}

void SimulatedFileSystem::apply(Names& names, const DirectoryChange& change) {
    if (!change.from.empty()) {
        names.erase(change.from);
    }
    if (!change.to.empty()) {
        names[change.to] = change.inode;
    }
}

void SimulatedFileSystem::change_names(DirectoryChange change) {
    apply(seen_, change);
    changes_.push_back(std::move(change));
}

SysResult SimulatedFileSystem::open(const std::filesystem::path& path, OpenMode mode,
                                    std::unique_ptr<File>& out) {
    const auto name = path.filename().native();
    if (const auto answer = enter(Operation::open, name)) {
        return *answer;
    }
    auto found = seen_.find(name);
    if (path.parent_path() != directory_ || (found == seen_.end() && !creates(mode))) {
        return -ENOENT;
    }
    if (found != seen_.end() && mode == OpenMode::create_new) {
        return -EEXIST;
    }
    if (found == seen_.end()) {
        auto inode = std::make_shared<Inode>();
        inode->number = ++last_inode_;
        change_names({.from = {}, .to = name, .inode = std::move(inode)});
        found = seen_.find(name);
    }
    if (mode == OpenMode::create_or_truncate) {
        found->second->seen.clear();
        found->second->dirty_sectors.clear();
    }
    out = std::make_unique<OpenFile>(*this, found->second, path);
    return 0;
}

SysResult SimulatedFileSystem::list(const std::filesystem::path& directory,
                                    std::vector<std::string>& out) {
    if (const auto answer = enter(Operation::list, {})) {
        return *answer;
    }
    if (directory != directory_) {
        return -ENOENT;
    }
    out = files();
    return 0;
}

SysResult SimulatedFileSystem::rename(const std::filesystem::path& from,
                                      const std::filesystem::path& to) {
    if (const auto answer = enter(Operation::rename, to.filename().native())) {
        return *answer;
    }
    const auto found = seen_.find(from.filename().native());
    if (found == seen_.end()) {
        return -ENOENT;
    }
    change_names({.from = found->first, .to = to.filename().native(), .inode = found->second});
    return 0;
}

SysResult SimulatedFileSystem::remove(const std::filesystem::path& path) {
    const auto name = path.filename().native();
    if (const auto answer = enter(Operation::remove, name)) {
        return *answer;
    }
    if (!seen_.contains(name)) {
        return -ENOENT;
    }
    change_names({.from = name, .to = {}, .inode = {}});
    return 0;
}

SysResult SimulatedFileSystem::sync_directory(const std::filesystem::path& directory) {
    if (const auto answer = enter(Operation::sync_directory, {})) {
        return *answer;
    }
    if (directory != directory_) {
        return -ENOENT;
    }
    durable_ = seen_;
    changes_.clear();
    return 0;
}

SysResult SimulatedFileSystem::type(const std::filesystem::path& directory) {
    if (const auto answer = enter(Operation::type, {})) {
        return *answer;
    }
    return directory == directory_ ? file_system_type : -ENOENT;
}

std::map<std::uint64_t, std::shared_ptr<SimulatedFileSystem::Inode>> SimulatedFileSystem::inodes()
    const {
    std::map<std::uint64_t, std::shared_ptr<Inode>> all;
    for (const auto* names : {&seen_, &durable_}) {
        for (const auto& [name, inode] : *names) {
            all.emplace(inode->number, inode);
        }
    }
    // A file that was made and removed again since the last sync of the directory may come back.
    for (const auto& change : changes_) {
        if (change.inode != nullptr) {
            all.emplace(change.inode->number, change.inode);
        }
    }
    return all;
}

std::size_t SimulatedFileSystem::pending() const {
    std::size_t count = changes_.size();
    for (const auto& [number, inode] : inodes()) {
        count +=
            inode->dirty_sectors.size() + (inode->seen.size() != inode->durable.size() ? 1 : 0);
    }
    return count;
}

std::unique_ptr<SimulatedFileSystem> SimulatedFileSystem::after_crash(
    const std::function<bool(std::size_t)>& keeps) const {
    std::size_t thing = 0;
    std::map<std::uint64_t, std::shared_ptr<Inode>> survivors;
    for (const auto& [number, inode] : inodes()) {
        auto survivor = std::make_shared<Inode>(
            Inode{number, inode->seen, inode->durable, inode->dirty_sectors, nullptr});
        if (inode->seen.size() != inode->durable.size() && keeps(thing++)) {
            survivor->durable.resize(inode->seen.size());
        }
        for (const std::size_t sector : inode->dirty_sectors) {
            if (keeps(thing++)) {
                survivor->make_sector_durable(sector);
            }
        }
        survivor->seen = survivor->durable;
        survivor->dirty_sectors.clear();
        survivors.emplace(number, std::move(survivor));
    }
    auto names = durable_;
    for (const auto& change : changes_) {
        if (keeps(thing++)) {
            apply(names, change);
        }
    }
    auto disk = std::make_unique<SimulatedFileSystem>(directory_);
    for (const auto& [name, inode] : names) {
        disk->seen_[name] = survivors.at(inode->number);
    }
    disk->durable_ = disk->seen_;
    disk->last_inode_ = last_inode_;
    disk->file_system_type = file_system_type;
    return disk;
}

std::vector<std::string> SimulatedFileSystem::files() const {
    std::vector<std::string> names;
    for (const auto& [name, inode] : seen_) {
        names.push_back(name);
    }
    return names;
}

std::vector<std::byte> SimulatedFileSystem::read(const std::string& file) const {
    return seen_.at(file)->seen;
}

void SimulatedFileSystem::edit(const std::string& file,
                               const std::function<void(std::vector<std::byte>&)>& change) {
    change(seen_.at(file)->seen);
    change(seen_.at(file)->durable);
}

}  // namespace xa_tm::test
