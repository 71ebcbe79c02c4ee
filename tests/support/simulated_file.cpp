#include "simulated_file.h"

#include <algorithm>
#include <cstring>

// Invariants:
// - FileContent: bytes behind the end are zero, so that growing needs no work; blocks_ has one
//   element for each begun block of the size.
// - SimulatedFile: seen_ and durable_ differ only in dirty sectors, in the size, and where
// something
//   went wrong.
namespace xa_tm::test {
namespace {

constexpr std::array<std::byte, FileContent::kBlockBytes> kZeros{};

bool is_zero(std::span<const std::byte> bytes) noexcept {
    return std::memcmp(bytes.data(), kZeros.data(), bytes.size()) == 0;
}

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) noexcept {
    constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;
    hash = (hash ^ value) * kOdd;
    return hash ^ (hash >> 29);
}

std::uint64_t fingerprint_of(
    const std::array<std::byte, FileContent::kBlockBytes>& bytes) noexcept {
    // Several at a time, because each multiplication waits for the one before it.
    constexpr std::size_t kLanes = 8;
    std::array<std::uint64_t, kLanes> hashes{1, 2, 3, 4, 5, 6, 7, 8};
    std::array<std::uint64_t, kLanes> words{};
    for (std::size_t i = 0; i < bytes.size(); i += sizeof words) {
        std::memcpy(words.data(), bytes.data() + i, sizeof words);
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            hashes[lane] = mix(hashes[lane], words[lane]);
        }
    }
    std::uint64_t hash = 0;
    for (const auto lane : hashes) {
        hash = mix(hash, lane);
    }
    return hash;
}

constexpr std::size_t blocks_for(std::size_t size_bytes) noexcept {
    return (size_bytes + FileContent::kBlockBytes - 1) / FileContent::kBlockBytes;
}

/// Calls `visit(block, begin in the block, begin in the range, bytes)` for each part of a range.
template <typename Visit>
void for_each_part(std::size_t offset, std::size_t size_bytes, const Visit& visit) {
    for (std::size_t done = 0; done < size_bytes;) {
        const std::size_t begin = (offset + done) % FileContent::kBlockBytes;
        const std::size_t count = std::min(FileContent::kBlockBytes - begin, size_bytes - done);
        visit((offset + done) / FileContent::kBlockBytes, begin, done, count);
        done += count;
    }
}

}  // namespace

FileContent::Block& FileContent::own_block(std::size_t index) {
    auto& block = blocks_[index];
    if (block == nullptr) {
        block = std::make_shared<Block>();
    } else if (block.use_count() > 1) {
        block = std::make_shared<Block>(*block);
    }
    block->fingerprint = 0;
    return *block;
}

void FileContent::write_in_block(std::size_t index, std::size_t begin,
                                 std::span<const std::byte> bytes) {
    if (is_zero(bytes) && (blocks_[index] == nullptr || bytes.size() == kBlockBytes)) {
        blocks_[index] = nullptr;
        return;
    }
    if (bytes.size() == kBlockBytes) {
        blocks_[index] = std::make_shared_for_overwrite<Block>();
    }
    std::memcpy(own_block(index).bytes.data() + begin, bytes.data(), bytes.size());
}

void FileContent::resize(std::size_t size_bytes) {
    if (size_bytes < size_) {
        const std::size_t kept_in_last = size_bytes % kBlockBytes;
        if (kept_in_last != 0) {
            write_in_block(size_bytes / kBlockBytes, kept_in_last,
                           std::span{kZeros}.subspan(kept_in_last));
        }
    }
    blocks_.resize(blocks_for(size_bytes));
    size_ = size_bytes;
}

std::size_t FileContent::read(std::span<std::byte> out, std::size_t offset) const {
    const std::size_t begin = std::min(offset, size_);
    const std::size_t readable = std::min(out.size(), size_ - begin);
    for_each_part(begin, readable,
                  [&](std::size_t block, std::size_t from, std::size_t to, std::size_t count) {
                      const auto* bytes =
                          blocks_[block] == nullptr ? kZeros.data() : blocks_[block]->bytes.data();
                      std::copy_n(bytes + from, count, out.data() + to);
                  });
    return readable;
}

void FileContent::write(std::span<const std::byte> bytes, std::size_t offset) {
    if (bytes.empty()) {
        return;
    }
    if (offset + bytes.size() > size_) {
        resize(offset + bytes.size());
    }
    for_each_part(offset, bytes.size(),
                  [&](std::size_t block, std::size_t to, std::size_t from, std::size_t count) {
                      write_in_block(block, to, bytes.subspan(from, count));
                  });
}

void FileContent::take_sector(const FileContent& other, std::size_t sector) {
    const std::size_t begin = sector * kSectorBytes;
    const std::size_t end = std::min(begin + kSectorBytes, other.size_);
    if (begin >= end) {
        return;
    }
    if (end > size_) {
        resize(end);
    }
    if (!has_equal_sector(other, sector)) {
        std::array<std::byte, kSectorBytes> bytes{};
        static_cast<void>(other.read(bytes, begin));
        write(std::span{bytes}.first(end - begin), begin);
    }
}

bool FileContent::has_equal_sector(const FileContent& other, std::size_t sector) const {
    const std::size_t block = sector * kSectorBytes / kBlockBytes;
    const std::size_t begin = sector * kSectorBytes % kBlockBytes;
    const auto bytes_of = [block](const FileContent& content) {
        return block < content.blocks_.size() && content.blocks_[block] != nullptr
                   ? content.blocks_[block]->bytes.data()
                   : kZeros.data();
    };
    const auto* mine = bytes_of(*this);
    const auto* others = bytes_of(other);
    return mine == others || std::memcmp(mine + begin, others + begin, kSectorBytes) == 0;
}

std::uint64_t FileContent::fingerprint() const {
    std::uint64_t hash = size_;
    for (std::size_t index = 0; index < blocks_.size(); ++index) {
        if (const auto& block = blocks_[index]; block != nullptr) {
            if (block->fingerprint == 0) {
                block->fingerprint = fingerprint_of(block->bytes) | 1;
            }
            hash = mix(mix(hash, index), block->fingerprint);
        }
    }
    return hash;
}

void SectorSet::insert(std::size_t first, std::size_t last) {
    words_.resize(std::max(words_.size(), last / kWordBits + 1));
    for (std::size_t sector = first; sector <= last; ++sector) {
        words_[sector / kWordBits] |= std::uint64_t{1} << sector % kWordBits;
    }
}

void SimulatedFile::write(std::span<const std::byte> bytes, std::size_t offset) {
    if (bytes.empty()) {
        return;
    }
    seen_.write(bytes, offset);
    const std::size_t last = (offset + bytes.size() - 1) / FileContent::kSectorBytes;
    const std::size_t first = offset / FileContent::kSectorBytes;
    dirty_sectors_.insert(first, last);
    // A disk puts what is written anew in another place.
    broken_sectors_.erase(broken_sectors_.lower_bound(first), broken_sectors_.upper_bound(last));
}

void SimulatedFile::grow(std::size_t size_bytes) {
    if (size_bytes > seen_.size()) {
        seen_.resize(size_bytes);
    }
}

void SimulatedFile::truncate() {
    seen_.resize(0);
    dirty_sectors_.clear();
}

void SimulatedFile::sync() {
    if (has_diverged_) {
        durable_.resize(seen_.size());
        dirty_sectors_.for_each(
            [this](std::size_t sector) { durable_.take_sector(seen_, sector); });
    } else {
        durable_ = seen_;
    }
    dirty_sectors_.clear();
}

std::size_t SimulatedFile::read_direct(std::span<std::byte> out, std::size_t offset) const {
    std::fill(out.begin(), out.end(), std::byte{0});
    static_cast<void>(durable_.read(out, offset));
    const std::size_t count = std::min(out.size(), seen_.size() - std::min(offset, seen_.size()));
    dirty_sectors_.for_each([&](std::size_t sector) {
        const std::size_t begin = sector * FileContent::kSectorBytes;
        if (begin >= offset && begin < offset + count) {
            const auto rest = out.subspan(begin - offset);
            static_cast<void>(
                seen_.read(rest.first(std::min(rest.size(), FileContent::kSectorBytes)), begin));
        }
    });
    return count;
}

bool SimulatedFile::is_unreadable(std::size_t offset, std::size_t size_bytes) const {
    // A read takes whole blocks from the disk.
    constexpr std::size_t kSectorsPerBlock = FileContent::kBlockBytes / FileContent::kSectorBytes;
    const std::size_t end = blocks_for(offset + size_bytes) * kSectorsPerBlock;
    const auto broken =
        broken_sectors_.lower_bound(offset / FileContent::kBlockBytes * kSectorsPerBlock);
    return broken != broken_sectors_.end() && *broken < end;
}

void SimulatedFile::lose_write(std::span<const std::byte> bytes, std::size_t offset) {
    seen_.write(bytes, offset);
    has_diverged_ = true;
}

void SimulatedFile::misdirect_write(std::span<const std::byte> bytes, std::size_t offset,
                                    std::size_t wrong_offset) {
    lose_write(bytes, offset);
    durable_.write(bytes, wrong_offset);
}

std::vector<std::size_t> SimulatedFile::pending_sectors() const {
    std::vector<std::size_t> sectors;
    dirty_sectors_.for_each([&](std::size_t sector) {
        const std::size_t end = std::min((sector + 1) * FileContent::kSectorBytes, seen_.size());
        if (end > durable_.size() || !seen_.has_equal_sector(durable_, sector)) {
            sectors.push_back(sector);
        }
    });
    return sectors;
}

void SimulatedFile::garble_sector(std::size_t sector) {
    std::array<std::byte, FileContent::kSectorBytes> garbage{};
    for (std::size_t i = 0; i < garbage.size(); ++i) {
        garbage[i] = static_cast<std::byte>(mix(sector, i) | 1);
    }
    durable_.write(garbage, sector * FileContent::kSectorBytes);
}

void SimulatedFile::restart() {
    seen_ = durable_;
    dirty_sectors_.clear();
    has_diverged_ = false;
}

}  // namespace xa_tm::test
