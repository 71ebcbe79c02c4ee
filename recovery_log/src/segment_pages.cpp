#include "segment_pages.h"

#include <algorithm>
#include <cerrno>

#include "io.h"
#include "page_view.h"
#include "record_format.h"

// A block is as long as a page; a segment of two copies has two blocks for each of its pages.
namespace xa_tm::recovery_log {
namespace {

constexpr std::size_t kChunkBlocks = 16;

bool is_zero(const InspectedPage& page) noexcept {
    return page.first_copy == PageCondition::zero &&
           page.second_copy.value_or(PageCondition::zero) == PageCondition::zero;
}

}  // namespace

SegmentPages::SegmentPages(std::unique_ptr<File> file, SegmentName name,
                           std::optional<LogId> log_id)
    : file_{std::move(file)},
      name_{name},
      log_id_{log_id},
      size_bytes_{measure_file()},
      count_{(size_bytes_ + kPageBytes - 1) / kPageBytes} {}

SegmentPages::SegmentPages(FileSystem& file_system, const std::filesystem::path& directory,
                           SegmentName name, std::optional<LogId> log_id)
    : SegmentPages{open_file(file_system, directory / file_name(name), OpenMode::read_direct), name,
                   log_id} {
    find_layout();
}

bool SegmentPages::has_first_page(FileSystem& file_system, const std::filesystem::path& directory,
                                  SegmentName name) {
    SegmentPages pages{open_file(file_system, directory / file_name(name), OpenMode::read_direct),
                       name, std::nullopt};
    Chunk chunk;
    const auto is_written = [&](std::uint64_t block) {
        pages.read(chunk, block, 1);
        return classify_page(chunk.blocks[0].bytes).state != PageState::zero;
    };
    return is_written(0) || is_written(pages.count_ / 2);
}

/// Bytes read; what the file does not have, or the disk refuses, is zero. Throws IoError, also for
/// a block that can't be read.
std::size_t SegmentPages::read_blocks(std::span<Block> blocks, std::uint64_t first_block) {
    const std::span bytes{reinterpret_cast<std::byte*>(blocks.data()), blocks.size_bytes()};
    std::ranges::fill(bytes, std::byte{0});
    return read_up_to(*file_, bytes, first_block * kPageBytes);
}

std::uint64_t SegmentPages::measure_file() {
    std::vector<Block> block(1);
    const auto filled = [&](std::uint64_t index) {
        try {
            return read_blocks(block, index);
        } catch (const IoError& error) {
            if (error.error_number() != EIO) {
                throw;
            }
            return kPageBytes;
        }
    };
    std::uint64_t end = 1;
    while (filled(end - 1) == kPageBytes) {
        end *= 2;
    }
    // The first block that the file does not fill stands in [begin, end).
    std::uint64_t begin = end / 2;
    while (begin + 1 < end) {
        const auto middle = begin + (end - begin) / 2;
        (filled(middle - 1) == kPageBytes ? begin : end) = middle;
    }
    return begin * kPageBytes + filled(begin);
}

void SegmentPages::read(Chunk& chunk, std::uint64_t first_block, std::size_t blocks) {
    chunk.blocks.resize(blocks);
    chunk.errors.assign(blocks, 0);
    try {
        static_cast<void>(read_blocks(chunk.blocks, first_block));
        return;
    } catch (const IoError& error) {
        if (error.error_number() != EIO) {
            throw;
        }
    }
    for (std::size_t i = 0; i < blocks; ++i) {
        try {
            static_cast<void>(read_blocks(std::span{chunk.blocks}.subspan(i, 1), first_block + i));
        } catch (const IoError& error) {
            chunk.blocks[i] = {};
            chunk.errors[i] = error.error_number();
        }
    }
}

void SegmentPages::find_layout() {
    Chunk chunk;
    for (std::uint64_t block = 0; block < count_; block += kChunkBlocks) {
        read(chunk, block, std::min<std::uint64_t>(kChunkBlocks, count_ - block));
        for (std::size_t i = 0; i < chunk.blocks.size(); ++i) {
            const auto verdict = classify_page(chunk.blocks[i].bytes);
            if (verdict.header) {
                take_layout(block + i, chunk.blocks[i], *verdict.header);
                return;
            }
        }
    }
}

void SegmentPages::take_layout(std::uint64_t block, const Block& page, const PageHeader& header) {
    if ((header.flags & page_flags::kTwoCopies) != 0) {
        // A file that was cut since still has its second copies where they were.
        const auto record =
            decode_record(std::span{page.bytes}.subspan(kPageHeaderBytes), header.page_no);
        const bool is_head =
            record && record->type == static_cast<std::uint8_t>(RecordType::segment_head);
        const auto head = is_head ? decode_segment_head(record->body) : std::nullopt;
        copies_ = 2;
        count_ = (head ? head->segment_pages : count_) / 2;
    }
    log_id_ = log_id_.value_or(header.log_id);
    first_page_no_ = header.page_no - block % std::max<std::uint64_t>(count_, 1);
}

void SegmentPages::visit(std::uint64_t first, const std::function<bool(InspectedPage&&)>& visit) {
    Chunk firsts;
    Chunk seconds;
    for (std::uint64_t index = first; index < count_; index += kChunkBlocks) {
        const auto blocks = std::min<std::uint64_t>(kChunkBlocks, count_ - index);
        read(firsts, index, blocks);
        if (copies_ == 2) {
            read(seconds, count_ + index, blocks);
        }
        for (std::size_t i = 0; i < blocks; ++i) {
            const PagePlace place{.segment = name_,
                                  .index = index + i,
                                  .log_id = log_id_,
                                  .page_no = first_page_no_
                                                 ? std::optional{*first_page_no_ + index + i}
                                                 : std::nullopt};
            std::optional<PageCopy> second;
            if (copies_ == 2) {
                second = PageCopy{seconds.blocks[i].bytes, seconds.errors[i]};
            }
            auto page = describe_page(place, {firsts.blocks[i].bytes, firsts.errors[i]}, second);
            if (!is_zero(page) && !visit(std::move(page))) {
                return;
            }
        }
    }
}

}  // namespace xa_tm::recovery_log
