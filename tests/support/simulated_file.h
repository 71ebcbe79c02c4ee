#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <vector>

/// What one file of a SimulatedFileSystem holds: for programs, and on the disk.
namespace xa_tm::test {

/// The bytes of a file. Cheap to copy: copies share what is equal, and what is zero takes no
/// memory.
///
/// Ownership: a value.
/// Thread safety: one thread at a time, for all copies together.
class FileContent {
public:
    static constexpr std::size_t kBlockBytes = 4096;
    static constexpr std::size_t kSectorBytes = 512;

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// What is added is zero.
    void resize(std::size_t size_bytes);
    /// Bytes read; fewer than asked for at the end.
    std::size_t read(std::span<std::byte> out, std::size_t offset) const;
    /// Grows the file when it has to.
    void write(std::span<const std::byte> bytes, std::size_t offset);
    /// Takes one sector, as far as `other` has it. Grows the file when it has to.
    void take_sector(const FileContent& other, std::size_t sector);
    /// The sector holds the same bytes in both, zero where one of them ends.
    [[nodiscard]] bool has_equal_sector(const FileContent& other, std::size_t sector) const;
    /// Equal for equal content.
    [[nodiscard]] std::uint64_t fingerprint() const;

private:
    struct Block {
        std::array<std::byte, kBlockBytes> bytes;
        std::uint64_t fingerprint = 0;  ///< 0 until it is asked for
    };

    /// For writing: no other content shares it.
    [[nodiscard]] Block& own_block(std::size_t index);
    void write_in_block(std::size_t index, std::size_t begin, std::span<const std::byte> bytes);

    std::size_t size_ = 0;
    std::vector<std::shared_ptr<Block>> blocks_;  ///< none for a block of zeros
};

/// Numbers of sectors, in order.
///
/// Ownership: a value.
/// Thread safety: one thread at a time.
class SectorSet {
public:
    void insert(std::size_t first, std::size_t last);
    void clear() noexcept { words_.clear(); }
    template <typename Visit>
    void for_each(const Visit& visit) const {
        for (std::size_t i = 0; i < words_.size(); ++i) {
            for (std::uint64_t word = words_[i]; word != 0; word &= word - 1) {
                visit(i * kWordBits + static_cast<std::size_t>(std::countr_zero(word)));
            }
        }
    }

private:
    static constexpr std::size_t kWordBits = 64;
    std::vector<std::uint64_t> words_;
};

/// A file of which programs see more than is on the disk.
///
/// Ownership: a value.
/// Thread safety: one thread at a time.
class SimulatedFile {
public:
    explicit SimulatedFile(std::uint64_t number) : number_{number} {}

    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    [[nodiscard]] const FileContent& seen() const noexcept { return seen_; }
    [[nodiscard]] const FileContent& durable() const noexcept { return durable_; }

    // What programs do.
    void write(std::span<const std::byte> bytes, std::size_t offset);
    void grow(std::size_t size_bytes);
    void truncate();
    void sync();
    /// The disk's own content, except where a write is still to come.
    std::size_t read_direct(std::span<std::byte> out, std::size_t offset) const;
    /// A read of these bytes would touch a sector that can't be read.
    [[nodiscard]] bool is_unreadable(std::size_t offset, std::size_t size_bytes) const;

    // What goes wrong.
    /// The sectors that were to be written are forgotten, and seen to be so or not.
    template <typename Writes>
    void fail_sync(bool reverts, const Writes& writes) {
        std::size_t ordinal = 0;
        dirty_sectors_.for_each([&](std::size_t sector) {
            if (writes(ordinal++)) {
                durable_.take_sector(seen_, sector);
            } else if (reverts && sector * FileContent::kSectorBytes < durable_.size()) {
                seen_.take_sector(durable_, sector);
            }
        });
        dirty_sectors_.clear();
        has_diverged_ = true;
    }
    /// Programs see the write, and no sync writes it.
    void lose_write(std::span<const std::byte> bytes, std::size_t offset);
    /// The disk puts it where nobody has asked for it.
    void misdirect_write(std::span<const std::byte> bytes, std::size_t offset,
                         std::size_t wrong_offset);
    void break_sector(std::size_t sector) { broken_sectors_.insert(sector); }
    /// Changes both what is seen and what is on the disk.
    template <typename Change>
    void rot(const Change& change) {
        change(seen_);
        change(durable_);
    }

    // What is pending: the size first, if it is, then each of these sectors.
    [[nodiscard]] bool is_size_pending() const noexcept { return seen_.size() != durable_.size(); }
    [[nodiscard]] std::vector<std::size_t> pending_sectors() const;

    // What a crash does.
    void keep_size() { durable_.resize(seen_.size()); }
    void keep_sector(std::size_t sector) { durable_.take_sector(seen_, sector); }
    void garble_sector(std::size_t sector);
    void restart();

private:
    std::uint64_t number_;
    FileContent seen_;
    FileContent durable_;
    SectorSet dirty_sectors_;
    std::set<std::size_t> broken_sectors_;
    bool has_diverged_ = false;  ///< a sync does not make everything durable that is seen
};

}  // namespace xa_tm::test
