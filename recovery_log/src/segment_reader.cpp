#include "segment_reader.h"

#include <algorithm>
#include <array>
#include <future>
#include <new>
#include <utility>

#include "io.h"
#include "record_format.h"

// Invariants:
// - Every read begins and ends at a page's border, into memory that begins at one: O_DIRECT wants
//   that.
// - The copies of page i stand at page i and page i + pages_ of the file.
namespace xa_tm::recovery_log {
namespace {

ConstPageBytes page_at(const std::byte* bytes, std::size_t index) {
    return std::span<const std::byte, kPageBytes>{bytes + index * kPageBytes, kPageBytes};
}

}  // namespace

SegmentReader::SegmentReader(FileSystem& file_system, const std::filesystem::path& path,
                             unsigned copies_if_unknown, OpenMode mode)
    : file_{open_file(file_system, path, mode)} {
    file_bytes_ = file_size(*file_);
    file_pages_ = (file_bytes_ + kPageBytes - 1) / kPageBytes;
    pages_ = file_pages_;
    chunk_pages_ = std::clamp<std::size_t>(file_pages_, 1, kChunkPagesMax);
    // Most segments of a test are smaller than a chunk, and read at once.
    const auto chunks = file_pages_ > chunk_pages_ ? 2U : 1U;
    for (unsigned i = 0; i < chunks; ++i) {
        for (auto& buffer : chunks_[i].buffers) {
            buffer = make_buffer();
        }
    }
    measure(copies_if_unknown);
}

SegmentReader::Buffer SegmentReader::make_buffer() const {
    auto* bytes =
        static_cast<std::byte*>(std::aligned_alloc(kPageBytes, chunk_pages_ * kPageBytes));
    if (bytes == nullptr) {
        throw std::bad_alloc{};
    }
    return Buffer{bytes};
}

/// Any intact page tells whether there are two copies; the first one also tells where the second
/// copy begins, should the file have been cut.
bool SegmentReader::take_layout(ConstPageBytes page, std::size_t file_page) {
    const auto verdict = classify_page(page);
    if (!verdict.header) {
        return false;
    }
    knows_copies_ = true;
    if ((verdict.header->flags & page_flags::kTwoCopies) != 0) {
        copies_ = 2;
        pages_ = file_pages_ / 2;
        const auto record = decode_record(page.subspan(kPageHeaderBytes), verdict.header->page_no);
        if (record && record->type == static_cast<std::uint8_t>(RecordType::segment_head)) {
            if (const auto head = decode_segment_head(record->body)) {
                // More than the file has would make a reader go on for ever.
                pages_ = std::min<std::size_t>(head->segment_pages / 2, file_pages_);
            }
        }
    }
    first_header_ = verdict.header;
    first_header_->page_no -= file_page % std::max<std::size_t>(pages_, 1);
    return true;
}

void SegmentReader::measure(unsigned copies_if_unknown) {
    std::array<int, kChunkPagesMax> errors{};
    bool has_only_zeros = true;
    const auto finds_layout = [&](std::size_t begin, std::size_t count) {
        fill(chunks_[0].buffers[0].get(), std::span{errors}.first(count), begin);
        for (std::size_t i = 0; i < count; ++i) {
            const auto page = page_at(chunks_[0].buffers[0].get(), i);
            const bool is_zero = errors[i] == 0 && is_zero_page(page);
            has_only_zeros = has_only_zeros && is_zero;
            if (!is_zero && errors[i] == 0 && take_layout(page, begin + i)) {
                return true;
            }
        }
        return false;
    };
    if (file_pages_ == 0 || finds_layout(0, 1)) {
        return;  // nearly always the very first page tells
    }
    for (std::size_t begin = 0; begin < file_pages_; begin += chunk_pages_) {
        if (finds_layout(begin, std::min(chunk_pages_, file_pages_ - begin))) {
            return;
        }
    }
    copies_ = copies_if_unknown;
    pages_ = file_pages_ / copies_;
    is_blank_ = has_only_zeros;
}

void SegmentReader::read_pages(std::span<std::byte> out, std::uint64_t offset) {
    std::size_t filled = 0;
    while (filled < out.size() && offset + filled < file_bytes_) {
        const auto count = read_some(*file_, out.subspan(filled), offset + filled);
        if (count == 0) {
            break;
        }
        filled += count;
    }
    std::ranges::fill(out.subspan(filled), std::byte{0});
}

/// Reads pages, as many as `errors` has room for; behind the end of the file they are zero.
void SegmentReader::fill(std::byte* out, std::span<int> errors, std::size_t first_page) {
    const std::span<std::byte> bytes{out, errors.size() * kPageBytes};
    std::ranges::fill(errors, 0);
    try {
        read_pages(bytes, first_page * kPageBytes);
        return;
    } catch (const IoError&) {
        // Somewhere in there; page by page it shows where.
    }
    for (std::size_t i = 0; i < errors.size(); ++i) {
        try {
            read_pages(bytes.subspan(i * kPageBytes, kPageBytes), (first_page + i) * kPageBytes);
        } catch (const IoError& error) {
            errors[i] = error.error_number();
        }
    }
}

void SegmentReader::read(const Visit& visit) {
    read_range(0, pages_, [&visit](std::span<const PageCopy> page) {
        visit(page);
        return true;
    });
}

void SegmentReader::load(Chunk& chunk, std::size_t begin, std::size_t end) {
    chunk.pages = std::min(chunk_pages_, end - begin);
    for (unsigned copy = 0; copy < copies_; ++copy) {
        fill(chunk.buffers[copy].get(), std::span{chunk.errors[copy]}.first(chunk.pages),
             begin + copy * pages_);
    }
}

bool SegmentReader::show(const Chunk& chunk, const VisitUntil& visit) const {
    for (std::size_t i = 0; i < chunk.pages; ++i) {
        const std::array<PageCopy, 2> page{
            PageCopy{page_at(chunk.buffers[0].get(), i), chunk.errors[0][i]},
            PageCopy{page_at(chunk.buffers[1].get(), i), chunk.errors[1][i]}};
        if (!visit(std::span{page}.first(copies_))) {
            return false;
        }
    }
    return true;
}

void SegmentReader::read_range(std::size_t first, std::size_t end, const VisitUntil& visit) {
    if (first >= end) {
        return;
    }
    load(chunks_[0], first, end);
    bool goes_on = true;
    for (std::size_t begin = first; goes_on && begin < end; begin += chunk_pages_) {
        // The disk works on the next chunk while this one is judged; without a thread to wait for
        // it, that happens afterwards.
        std::future<void> next;
        if (begin + chunk_pages_ < end) {
            next = std::async(std::launch::async | std::launch::deferred,
                              [&] { load(chunks_[1], begin + chunk_pages_, end); });
        }
        goes_on = show(chunks_[0], visit);
        if (next.valid()) {
            next.get();
            std::swap(chunks_[0], chunks_[1]);
        }
    }
}

}  // namespace xa_tm::recovery_log
