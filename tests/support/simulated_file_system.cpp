#include "simulated_file_system.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>

// Invariants:
// - seen_ is durable_ with all of changes_ applied in order.
// - The hooks are called without the mutex, because they look at the file system.
// - The things that are pending have one order: inodes by number, of each the size, then the
//   sectors; then changes_.
namespace xa_tm::test {

using recovery_log::File;
using recovery_log::FileIdentity;
using recovery_log::OpenMode;
using recovery_log::SysResult;

struct SimulatedFileSystem::Inode {
    SimulatedFile file;
    const File* lock_holder = nullptr;
};

namespace {

const std::string kTheDirectory;

bool creates(OpenMode mode) noexcept {
    return mode == OpenMode::create_new || mode == OpenMode::create_or_open ||
           mode == OpenMode::create_or_truncate;
}

}  // namespace

class SimulatedFileSystem::OpenFile final : public File {
public:
    OpenFile(SimulatedFileSystem& file_system, std::shared_ptr<Inode> inode,
             const std::filesystem::path& path, std::string name, OpenMode mode)
        : File{path},
          file_system_{file_system},
          inode_{std::move(inode)},
          name_{std::move(name)},
          is_direct_{mode == OpenMode::read_direct} {}

    ~OpenFile() override {
        const std::lock_guard guard{file_system_.mutex_};
        if (inode_->lock_holder == this) {
            inode_->lock_holder = nullptr;
        }
    }

    SysResult pread(std::span<std::byte> out, std::uint64_t offset) override {
        SilentFault none{};
        if (const auto answer = file_system_.enter(Operation::pread, name_, none)) {
            return *answer;
        }
        const std::lock_guard guard{file_system_.mutex_};
        if (is_direct_ && !is_aligned(out, offset)) {
            return -EINVAL;
        }
        const SimulatedFile& file = inode_->file;
        if (offset < file.seen().size() &&
            file.is_unreadable(offset, std::min(out.size(), file.seen().size() - offset))) {
            return -EIO;
        }
        return static_cast<SysResult>(is_direct_ ? file.read_direct(out, offset)
                                                 : file.seen().read(out, offset));
    }

    SysResult pwrite(std::span<const std::byte> bytes, std::uint64_t offset) override {
        SilentFault fault{};
        const auto answer = file_system_.enter(Operation::pwrite, name_, fault);
        const std::lock_guard guard{file_system_.mutex_};
        if (answer) {
            return write_part(bytes, offset, *answer);
        }
        if (const auto result = file_system_.take_space(*inode_, offset + bytes.size());
            result < 0) {
            return result;
        }
        if (fault == SilentFault::lost_write) {
            inode_->file.lose_write(bytes, offset);
        } else if (fault == SilentFault::misdirected_write) {
            inode_->file.misdirect_write(bytes, offset, offset + file_system_.misdirection_bytes);
        } else {
            inode_->file.write(bytes, offset);
        }
        return static_cast<SysResult>(bytes.size());
    }

    SysResult allocate(std::uint64_t size_bytes) override {
        SilentFault none{};
        if (const auto answer = file_system_.enter(Operation::allocate, name_, none)) {
            return *answer;
        }
        const std::lock_guard guard{file_system_.mutex_};
        const auto result = file_system_.take_space(*inode_, size_bytes);
        if (result == 0) {
            inode_->file.grow(size_bytes);
        }
        return result;
    }

    SysResult sync() override { return sync_as(Operation::sync); }
    SysResult datasync() override { return sync_as(Operation::datasync); }

    SysResult size() override {
        SilentFault none{};
        if (const auto answer = file_system_.enter(Operation::size, name_, none)) {
            return *answer;
        }
        const std::lock_guard guard{file_system_.mutex_};
        return static_cast<SysResult>(inode_->file.seen().size());
    }

    SysResult identity(FileIdentity& out) override {
        SilentFault none{};
        if (const auto answer = file_system_.enter(Operation::identity, name_, none)) {
            return *answer;
        }
        out = {.device = file_system_.device_, .inode = inode_->file.number()};
        return 0;
    }

    SysResult try_lock() override {
        SilentFault none{};
        if (const auto answer = file_system_.enter(Operation::try_lock, name_, none)) {
            return *answer;
        }
        const std::lock_guard guard{file_system_.mutex_};
        if (is_locked_by_another()) {
            return -EAGAIN;
        }
        inode_->lock_holder = this;
        return 0;
    }

    SysResult is_locked() override {
        SilentFault none{};
        if (const auto answer = file_system_.enter(Operation::is_locked, name_, none)) {
            return *answer;
        }
        const std::lock_guard guard{file_system_.mutex_};
        return is_locked_by_another() ? 1 : 0;
    }

private:
    [[nodiscard]] bool is_locked_by_another() const noexcept {
        return inode_->lock_holder != nullptr && inode_->lock_holder != this;
    }

    [[nodiscard]] static bool is_aligned(std::span<const std::byte> out,
                                         std::uint64_t offset) noexcept {
        const auto address = reinterpret_cast<std::uintptr_t>(out.data());
        return (address | out.size() | offset) % FileContent::kBlockBytes == 0;
    }

    /// What a write that failed or was cut short leaves behind: whole sectors, because no system
    /// copies less than that at a time.
    SysResult write_part(std::span<const std::byte> bytes, std::uint64_t offset, SysResult answer) {
        const auto wanted = answer < 0 ? bytes.size() / 2
                                       : std::min(bytes.size(), static_cast<std::size_t>(answer));
        const auto written = wanted / kSectorBytes * kSectorBytes;
        if (answer != -EINTR) {
            inode_->file.write(bytes.first(written), offset);
        }
        return answer < 0 ? answer : static_cast<SysResult>(written);
    }

    SysResult sync_as(Operation operation) {
        SilentFault fault{};
        const auto answer = file_system_.enter(operation, name_, fault);
        const std::lock_guard guard{file_system_.mutex_};
        if (answer) {
            const auto& writes = file_system_.failed_sync_writes;
            inode_->file.fail_sync(file_system_.failed_sync_reverts, [&](std::size_t ordinal) {
                return writes != nullptr && writes(ordinal);
            });
            return *answer;
        }
        if (fault != SilentFault::lying_sync) {
            inode_->file.sync();
        }
        return 0;
    }

    SimulatedFileSystem& file_system_;
    std::shared_ptr<Inode> inode_;
    std::string name_;
    bool is_direct_;
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
        case Operation::size: return "size";
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

std::optional<SysResult> SimulatedFileSystem::enter(Operation operation, const std::string& file,
                                                    SilentFault& fault) {
    std::unique_lock guard{mutex_};
    const Call call{.number = calls_++, .operation = operation, .file = file};
    guard.unlock();
    auto answer = on_call ? on_call(call) : std::nullopt;
    if (!answer && on_success) {
        fault = on_success(call);
    }
    return answer;
}

SysResult SimulatedFileSystem::take_space(const Inode& inode, std::size_t size_bytes) {
    const std::size_t had = inode.file.seen().size();
    if (size_bytes <= had) {
        return 0;  // writing over what is there takes no space
    }
    std::size_t needed = size_bytes - had;
    for (const auto& [name, other] : seen_) {
        needed += other->file.seen().size();
    }
    if (needed > capacity_bytes || allocations_left == 0) {
        return -ENOSPC;
    }
    --allocations_left;
    return 0;
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
    auto name = path.filename().native();
    SilentFault none{};
    if (const auto answer = enter(Operation::open, name, none)) {
        return *answer;
    }
    const std::lock_guard guard{mutex_};
    auto found = seen_.find(name);
    if (path.parent_path() != directory_ || (found == seen_.end() && !creates(mode))) {
        return -ENOENT;
    }
    if (found != seen_.end() && mode == OpenMode::create_new) {
        return -EEXIST;
    }
    if (found == seen_.end()) {
        auto inode = std::make_shared<Inode>(Inode{SimulatedFile{++last_inode_}});
        change_names({.from = {}, .to = name, .inode = std::move(inode)});
        found = seen_.find(name);
    }
    if (mode == OpenMode::create_or_truncate) {
        found->second->file.truncate();
    }
    out = std::make_unique<OpenFile>(*this, found->second, path, std::move(name), mode);
    return 0;
}

SysResult SimulatedFileSystem::list(const std::filesystem::path& directory,
                                    std::vector<std::string>& out) {
    SilentFault none{};
    if (const auto answer = enter(Operation::list, kTheDirectory, none)) {
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
    auto name = to.filename().native();
    SilentFault none{};
    if (const auto answer = enter(Operation::rename, name, none)) {
        return *answer;
    }
    const std::lock_guard guard{mutex_};
    const auto found = seen_.find(from.filename().native());
    if (found == seen_.end()) {
        return -ENOENT;
    }
    change_names({.from = found->first, .to = std::move(name), .inode = found->second});
    return 0;
}

SysResult SimulatedFileSystem::remove(const std::filesystem::path& path) {
    auto name = path.filename().native();
    SilentFault none{};
    if (const auto answer = enter(Operation::remove, name, none)) {
        return *answer;
    }
    const std::lock_guard guard{mutex_};
    if (!seen_.contains(name)) {
        return -ENOENT;
    }
    change_names({.from = std::move(name), .to = {}, .inode = {}});
    return 0;
}

SysResult SimulatedFileSystem::sync_directory(const std::filesystem::path& directory) {
    SilentFault fault{};
    if (const auto answer = enter(Operation::sync_directory, kTheDirectory, fault)) {
        return *answer;
    }
    if (directory != directory_) {
        return -ENOENT;
    }
    const std::lock_guard guard{mutex_};
    if (fault != SilentFault::lying_sync) {
        durable_ = seen_;
        changes_.clear();
    }
    return 0;
}

SysResult SimulatedFileSystem::type(const std::filesystem::path& directory) {
    SilentFault none{};
    if (const auto answer = enter(Operation::type, kTheDirectory, none)) {
        return *answer;
    }
    return directory == directory_ ? file_system_type : -ENOENT;
}

std::vector<SimulatedFileSystem::NamedInode> SimulatedFileSystem::inodes() const {
    std::vector<NamedInode> all;
    for (const auto* names : {&seen_, &durable_}) {
        for (const auto& [name, inode] : *names) {
            all.push_back({inode, name});
        }
    }
    // A file that was made and removed again since the last sync of the directory may come back.
    for (const auto& change : changes_) {
        if (change.inode != nullptr) {
            all.push_back({change.inode, change.to});
        }
    }
    const auto number = [](const NamedInode& named) { return named.inode->file.number(); };
    std::ranges::stable_sort(all, {}, number);
    const auto repeated = std::ranges::unique(all, {}, number);
    all.erase(repeated.begin(), repeated.end());
    return all;
}

std::vector<PendingThing> SimulatedFileSystem::pending_things() const {
    const std::lock_guard guard{mutex_};
    std::vector<PendingThing> things;
    for (const auto& [inode, name] : inodes()) {
        if (inode->file.is_size_pending()) {
            things.push_back({PendingThing::Kind::size, name, 0});
        }
        for (const std::size_t sector : inode->file.pending_sectors()) {
            things.push_back({PendingThing::Kind::sector, name, sector});
        }
    }
    for (const auto& change : changes_) {
        things.push_back(
            {PendingThing::Kind::name, change.to.empty() ? change.from : change.to, 0});
    }
    return things;
}

std::size_t SimulatedFileSystem::pending() const {
    return pending_things().size();
}

std::unique_ptr<SimulatedFileSystem> SimulatedFileSystem::after_crash(
    const std::function<bool(std::size_t)>& keeps) const {
    return after_crash(std::function<Fate(std::size_t)>{
        [&](std::size_t thing) { return keeps(thing) ? Fate::kept : Fate::lost; }});
}

std::unique_ptr<SimulatedFileSystem> SimulatedFileSystem::after_crash(
    const std::function<Fate(std::size_t)>& fate_of) const {
    const std::lock_guard guard{mutex_};
    auto disk = empty_copy();
    std::size_t thing = 0;
    std::map<const Inode*, std::shared_ptr<Inode>> survivors;
    for (const auto& [inode, name] : inodes()) {
        auto survivor = std::make_shared<Inode>(Inode{inode->file});
        if (inode->file.is_size_pending() && fate_of(thing++) == Fate::kept) {
            survivor->file.keep_size();
        }
        for (const std::size_t sector : inode->file.pending_sectors()) {
            switch (fate_of(thing++)) {
                case Fate::lost: break;
                case Fate::kept: survivor->file.keep_sector(sector); break;
                case Fate::garbled: survivor->file.garble_sector(sector); break;
            }
        }
        survivor->file.restart();
        survivors.emplace(inode.get(), std::move(survivor));
    }
    auto names = durable_;
    for (const auto& change : changes_) {
        if (fate_of(thing++) == Fate::kept) {
            apply(names, change);
        }
    }
    for (const auto& [name, inode] : names) {
        disk->seen_.emplace_hint(disk->seen_.end(), name, survivors.at(inode.get()));
    }
    disk->durable_ = disk->seen_;
    return disk;
}

std::unique_ptr<SimulatedFileSystem> SimulatedFileSystem::after_kill() const {
    const std::lock_guard guard{mutex_};
    auto copy = empty_copy();
    std::map<const Inode*, std::shared_ptr<Inode>> survivors;
    for (const auto& [inode, name] : inodes()) {
        survivors.emplace(inode.get(), std::make_shared<Inode>(Inode{inode->file}));
    }
    for (const auto& [name, inode] : seen_) {
        copy->seen_[name] = survivors.at(inode.get());
    }
    for (const auto& [name, inode] : durable_) {
        copy->durable_[name] = survivors.at(inode.get());
    }
    copy->changes_ = changes_;
    for (auto& change : copy->changes_) {
        if (change.inode != nullptr) {
            change.inode = survivors.at(change.inode.get());
        }
    }
    return copy;
}

std::unique_ptr<SimulatedFileSystem> SimulatedFileSystem::empty_copy() const {
    auto copy = std::make_unique<SimulatedFileSystem>(directory_);
    copy->last_inode_ = last_inode_;
    copy->file_system_type = file_system_type;
    return copy;
}

std::uint64_t SimulatedFileSystem::fingerprint(std::string_view ignored) const {
    const std::lock_guard guard{mutex_};
    std::uint64_t sum = 0;
    for (const auto& [name, inode] : seen_) {
        if (name != ignored) {
            constexpr std::uint64_t kOdd = 0xD6E8FEB86659FD93;
            sum += (std::hash<std::string>{}(name) ^ inode->file.seen().fingerprint()) * kOdd;
        }
    }
    return sum;
}

std::vector<std::string> SimulatedFileSystem::files() const {
    const std::lock_guard guard{mutex_};
    std::vector<std::string> names;
    for (const auto& [name, inode] : seen_) {
        names.push_back(name);
    }
    return names;
}

std::vector<std::byte> SimulatedFileSystem::read(const std::string& file) const {
    const std::lock_guard guard{mutex_};
    const FileContent& content = seen_.at(file)->file.seen();
    std::vector<std::byte> bytes(content.size());
    static_cast<void>(content.read(bytes, 0));
    return bytes;
}

void SimulatedFileSystem::edit(const std::string& file,
                               const std::function<void(std::vector<std::byte>&)>& change) {
    const std::lock_guard guard{mutex_};
    seen_.at(file)->file.rot([&](FileContent& content) {
        std::vector<std::byte> bytes(content.size());
        static_cast<void>(content.read(bytes, 0));
        change(bytes);
        content.resize(bytes.size());
        content.write(bytes, 0);
    });
}

void SimulatedFileSystem::flip_bit(const std::string& file, std::size_t byte, unsigned bit) {
    const std::lock_guard guard{mutex_};
    seen_.at(file)->file.rot([&](FileContent& content) {
        std::array<std::byte, 1> changed{};
        static_cast<void>(content.read(changed, byte));
        changed[0] ^= std::byte{1} << bit;
        content.write(changed, byte);
    });
}

void SimulatedFileSystem::zero_sector(const std::string& file, std::size_t sector) {
    const std::lock_guard guard{mutex_};
    seen_.at(file)->file.rot([&](FileContent& content) {
        constexpr std::array<std::byte, kSectorBytes> kZeros{};
        content.write(kZeros, sector * kSectorBytes);
    });
}

void SimulatedFileSystem::break_sector(const std::string& file, std::size_t sector) {
    const std::lock_guard guard{mutex_};
    seen_.at(file)->file.break_sector(sector);
}

}  // namespace xa_tm::test
