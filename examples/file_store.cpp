// Invariants:
// - a folder N.prepared is complete and on the disk, and so is its name, before prepare() returns;
// - the rename to N.committed is the commit: from there on the files are only moved, never undone,
//   and whoever finds the folder goes on with that;
// - a file lies under its name in .xa or in the folder, so moving it twice does no harm;
// - reserved_ holds the names of all branches that have not ended.

#include "file_store.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <random>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace examples {
namespace {

namespace fs = std::filesystem;

constexpr auto kOpen = ".open";
constexpr auto kPrepared = ".prepared";
constexpr auto kCommitted = ".committed";
constexpr auto kRecord = ".xid";

[[noreturn]] void throw_errno(const fs::path& path) {
    throw std::system_error(errno, std::generic_category(), path.string());
}

class Descriptor {
public:
    Descriptor(const fs::path& path, int flags)
        : path_{path}, descriptor_{::open(path.c_str(), flags | O_CLOEXEC, 0644)} {
        if (descriptor_ < 0) {
            throw_errno(path);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { ::close(descriptor_); }

    void write(std::string_view bytes) const {
        while (!bytes.empty()) {
            const auto written = ::write(descriptor_, bytes.data(), bytes.size());
            if (written < 0 && errno != EINTR) {
                throw_errno(path_);
            }
            bytes.remove_prefix(written < 0 ? 0 : static_cast<std::size_t>(written));
        }
    }
    void sync() const {
        if (::fsync(descriptor_) != 0) {
            throw_errno(path_);
        }
    }

private:
    fs::path path_;
    int descriptor_;
};

void write_file(const fs::path& path, std::string_view bytes) {
    Descriptor{path, O_WRONLY | O_CREAT | O_TRUNC}.write(bytes);
}

/// A file's bytes, or a folder's names, are on the disk when it returns.
void sync(const fs::path& path) {
    Descriptor{path, O_RDONLY}.sync();
}

fs::path with_step(fs::path folder, const char* step) {
    return folder.replace_extension(step);
}

std::string from_hex(const std::string& digits) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
    }
    return bytes;
}

/// Three lines, because both parts are arbitrary bytes.
std::string to_record(const xa_tm::Xid& xid) {
    return std::to_string(xid.format_id) + "\n" + xa_tm::to_hex(xid.gtrid) + "\n" +
           xa_tm::to_hex(xid.bqual) + "\n";
}

xa_tm::Xid read_record(const fs::path& folder) {
    std::ifstream record{folder / kRecord};
    xa_tm::Xid xid;
    std::string gtrid;
    std::string bqual;
    record >> xid.format_id;
    std::getline(record >> std::ws, gtrid);
    std::getline(record, bqual);
    if (!record) {
        throw std::runtime_error("no branch's record is in " + folder.string());
    }
    return {xid.format_id, from_hex(gtrid), from_hex(bqual)};
}

std::set<std::string> files_of(const fs::path& folder) {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator{folder}) {
        names.insert(entry.path().filename());
    }
    names.erase(kRecord);
    return names;
}

std::string random_name() {
    std::random_device random;
    std::string bytes;
    for (int i = 0; i < 16; ++i) {
        bytes += static_cast<char>(random());
    }
    return xa_tm::to_hex(bytes);
}

/// The same for as long as the folder is the same; made with it.
std::string load_identity(const fs::path& path) {
    if (!fs::exists(path)) {
        const auto temporary = with_step(path, ".new");
        write_file(temporary, random_name());
        sync(temporary);
        fs::rename(temporary, path);
        sync(path.parent_path());
    }
    std::string identity;
    std::ifstream{path} >> identity;
    if (identity.empty()) {
        throw std::runtime_error("nothing is in " + path.string());
    }
    return identity;
}

}  // namespace

FileStore::Work::Work(FileStore& store, xa_tm::Xid xid) : store_{store}, xid_{std::move(xid)} {}

FileStore::Work::~Work() {
    if (is_prepared_) {
        return;  // it is the store's now
    }
    if (folder_) {
        std::error_code left_for_the_next_process;
        fs::remove_all(*folder_, left_for_the_next_process);
    }
    store_.release(names_);
}

void FileStore::Work::write(const std::string& name, std::string_view bytes) {
    if (name.empty() || name.starts_with('.') || name.find('/') != std::string::npos) {
        throw std::runtime_error("\"" + name + "\" can't be a file's name here");
    }
    if (!names_.contains(name)) {
        store_.reserve(name);
        names_.insert(name);
    }
    if (!folder_) {
        folder_ = store_.make_branch_folder();
    }
    try {
        write_file(*folder_ / name, bytes);
    } catch (...) {
        is_torn_ = true;
        throw;
    }
}

xa_tm::Vote FileStore::Work::prepare() {
    if (!folder_) {
        return xa_tm::Vote::read_only;
    }
    if (is_torn_) {
        throw std::runtime_error("a file could not be written to its end");
    }
    write_file(*folder_ / kRecord, to_record(xid_));
    sync(*folder_ / kRecord);
    for (const auto& name : names_) {
        sync(*folder_ / name);
    }
    sync(*folder_);
    store_.keep(xid_, *folder_, names_);
    is_prepared_ = true;
    return xa_tm::Vote::prepared;
}

FileStore::FileStore(const fs::path& folder)
    : folder_{fs::absolute(folder)}, hidden_{folder_ / ".xa"} {
    if (fs::create_directories(hidden_)) {
        sync(folder_.parent_path());
        sync(folder_);
    }
    lock();
    try {
        identity_ = load_identity(hidden_ / "identity");
        load();
    } catch (...) {
        ::close(lock_);
        throw;
    }
}

FileStore::~FileStore() {
    ::close(lock_);
}

/// The system opens the lock when the process dies, in whatever way.
void FileStore::lock() {
    const auto path = hidden_ / "lock";
    lock_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock_ < 0) {
        throw_errno(path);
    }
    if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
        ::close(lock_);
        throw std::runtime_error("another process has " + folder_.string() + " open");
    }
}

/// What earlier processes have left, all of which are dead.
void FileStore::load() {
    std::vector<fs::path> branches;
    for (const auto& entry : fs::directory_iterator{hidden_}) {
        if (entry.is_directory()) {
            branches.push_back(entry.path());
        }
    }
    for (const auto& branch : branches) {
        last_number_ = std::max<std::uint64_t>(last_number_, std::stoull(branch.stem()));
        if (branch.extension() == kOpen) {
            fs::remove_all(branch);
            continue;
        }
        const auto names = files_of(branch);
        if (branch.extension() == kCommitted) {
            complete({branch, names, true});
            continue;
        }
        prepared_[read_record(branch)] = {branch, names};
        reserved_.insert(names.begin(), names.end());
    }
}

void FileStore::reserve(const std::string& name) {
    const std::lock_guard lock{mutex_};
    if (!reserved_.insert(name).second) {
        throw std::runtime_error("another transaction has not finished with \"" + name + "\" yet");
    }
}

void FileStore::release(const std::set<std::string>& names) {
    const std::lock_guard lock{mutex_};
    for (const auto& name : names) {
        reserved_.erase(name);
    }
}

fs::path FileStore::make_branch_folder() {
    const std::lock_guard lock{mutex_};
    const auto folder = hidden_ / (std::to_string(++last_number_) + kOpen);
    fs::create_directory(folder);
    return folder;
}

std::unique_ptr<xa_tm::CustomWork> FileStore::start(const xa_tm::Xid& xid) {
    return std::make_unique<Work>(*this, xid);
}

void FileStore::keep(const xa_tm::Xid& xid, const fs::path& folder,
                     const std::set<std::string>& names) {
    const std::lock_guard lock{mutex_};
    const auto prepared = with_step(folder, kPrepared);
    if (!prepared_.try_emplace(xid, Prepared{prepared, names}).second) {
        throw std::runtime_error("another branch is prepared under this xid");
    }
    try {
        fs::rename(folder, prepared);
        sync(hidden_);
    } catch (...) {
        std::error_code is_still_open;
        fs::rename(prepared, folder, is_still_open);
        prepared_.erase(xid);
        throw;
    }
}

bool FileStore::commit(const xa_tm::Xid& xid) {
    const std::lock_guard lock{mutex_};
    const auto branch = prepared_.find(xid);
    if (branch == prepared_.end()) {
        return false;
    }
    auto& [folder, names, is_committed] = branch->second;
    if (!is_committed) {
        const auto committed = with_step(folder, kCommitted);
        fs::rename(folder, committed);
        folder = committed;
        is_committed = true;
    }
    complete(branch->second);
    end(branch);
    return true;
}

void FileStore::complete(const Prepared& branch) const {
    sync(hidden_);
    // Durable from here: the branch has committed, even if this process never runs again.
    for (const auto& name : branch.names) {
        std::error_code failure;
        fs::rename(branch.folder / name, folder_ / name, failure);
        if (failure && failure != std::errc::no_such_file_or_directory) {  // it is there already
            throw std::system_error(failure, (folder_ / name).string());
        }
    }
    sync(folder_);
    fs::remove_all(branch.folder);
}

bool FileStore::rollback(const xa_tm::Xid& xid) {
    const std::lock_guard lock{mutex_};
    const auto branch = prepared_.find(xid);
    if (branch == prepared_.end() || branch->second.is_committed) {
        return false;
    }
    auto& folder = branch->second.folder;
    const auto open = with_step(folder, kOpen);
    fs::rename(folder, open);
    end(branch);
    std::error_code left_for_the_next_process;
    fs::remove_all(open, left_for_the_next_process);
    sync(hidden_);
    return true;
}

void FileStore::end(Branches::iterator branch) {
    for (const auto& name : branch->second.names) {
        reserved_.erase(name);
    }
    prepared_.erase(branch);
}

std::vector<xa_tm::Xid> FileStore::recover() {
    const std::lock_guard lock{mutex_};
    std::vector<xa_tm::Xid> xids;
    for (auto next = prepared_.begin(); next != prepared_.end();) {
        const auto branch = next++;
        if (branch->second.is_committed) {  // something went wrong behind the commit
            complete(branch->second);
            end(branch);
        } else {
            xids.push_back(branch->first);
        }
    }
    return xids;
}

xa_tm::Holdings FileStore::holdings(const xa_tm::Xid& xid) {
    const std::lock_guard lock{mutex_};
    xa_tm::Holdings holdings;
    if (const auto branch = prepared_.find(xid); branch != prepared_.end()) {
        for (const auto& name : branch->second.names) {
            holdings.locks.push_back({.object = "file " + name, .mode = "exclusive"});
        }
    }
    return holdings;
}

}  // namespace examples
