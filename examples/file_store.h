#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <xa_tm/custom_resource.h>

namespace examples {

/// A folder of files that takes part in global transactions: what one branch writes appears under
/// its names when the branch commits, all of it or nothing.
///
/// What is not visible yet lies in the folder `.xa`, a folder for each branch, whose name says how
/// far the branch is:
///
///     .xa/identity          names this folder of files
///     .xa/7.open/           being written; of no use after the process's death
///     .xa/7.prepared/       complete, and on the disk
///     .xa/7.committed/      being moved to where it belongs
///     .xa/7.prepared/.xid   the branch that it is
///     .xa/7.prepared/NAME   a file that it writes
///
/// One rename takes a branch from one step to the next, so it has taken it or has not, whoever
/// dies.
///
/// Ownership: owns the folder: a second process can't open it at the same time.
/// Thread safety: all members may be called from several threads at once.
class FileStore final : public xa_tm::CustomResource {
public:
    /// What the application does in one branch.
    ///
    /// Thread safety: one thread at a time.
    class Work final : public xa_tm::CustomWork {
    public:
        Work(FileStore& store, xa_tm::Xid xid);
        ~Work() override;

        /// The file has these bytes once the branch has committed. Throws std::runtime_error when
        /// the name can't be, or another branch has not finished with the file yet.
        void write(const std::string& name, std::string_view bytes);

        [[nodiscard]] xa_tm::Vote prepare() override;

    private:
        FileStore& store_;
        xa_tm::Xid xid_;
        /// Nothing before the first file.
        std::optional<std::filesystem::path> folder_;
        std::set<std::string> names_;
        bool is_torn_ = false;  ///< a file could not be written to its end
        bool is_prepared_ = false;
    };

    /// Opens the folder, or makes it; finishes what a process that has died had begun to commit.
    /// Throws std::runtime_error: another process has it open, or the file system refuses.
    explicit FileStore(const std::filesystem::path& folder);
    ~FileStore() override;

    [[nodiscard]] std::string identity() const override { return identity_; }
    [[nodiscard]] std::unique_ptr<xa_tm::CustomWork> start(const xa_tm::Xid& xid) override;
    [[nodiscard]] bool commit(const xa_tm::Xid& xid) override;
    [[nodiscard]] bool rollback(const xa_tm::Xid& xid) override;
    [[nodiscard]] std::vector<xa_tm::Xid> recover() override;
    [[nodiscard]] xa_tm::Holdings holdings(const xa_tm::Xid& xid) override;

private:
    struct Prepared {
        std::filesystem::path folder;
        std::set<std::string> names;
        bool is_committed = false;
    };
    using Branches = std::map<xa_tm::Xid, Prepared>;

    void lock();
    void load();
    void reserve(const std::string& name);
    void release(const std::set<std::string>& names);
    [[nodiscard]] std::filesystem::path make_branch_folder();
    void keep(const xa_tm::Xid& xid, const std::filesystem::path& folder,
              const std::set<std::string>& names);
    void complete(const Prepared& branch) const;
    void end(Branches::iterator branch);

    std::filesystem::path folder_;
    std::filesystem::path hidden_;
    int lock_ = -1;
    std::string identity_;

    std::mutex mutex_;  ///< guards what follows, and the steps of prepared branches
    std::uint64_t last_number_ = 0;
    Branches prepared_;
    /// Files that a branch has written which has not ended.
    std::set<std::string> reserved_;
};

}  // namespace examples
