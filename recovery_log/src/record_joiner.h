#pragma once

#include <functional>
#include <optional>
#include <string>

#include "xa_tm/recovery_log/log_inspection.h"
#include "xa_tm/recovery_log/record_reader.h"

namespace xa_tm::recovery_log {

/// Puts the records of a segment's pages together from their parts. A record of which a part is
/// missing is left out. Pure.
///
/// Ownership: copies what it needs.
/// Thread safety: one thread at a time.
class RecordJoiner {
public:
    /// `file` is the name of the segment.
    explicit RecordJoiner(std::string file) : file_{std::move(file)} {}

    /// The pages of the segment, in order.
    void add(const InspectedPage& page, const std::function<void(const LoggedRecord&)>& take);

private:
    void begin(const InspectedPage& page, const InspectedRecord& part,
               const std::function<void(const LoggedRecord&)>& take);
    void go_on(const InspectedPage& page, const InspectedRecord& part,
               const std::function<void(const LoggedRecord&)>& take);
    void finish(LoggedRecord record, const std::function<void(const LoggedRecord&)>& take);

    std::string file_;
    /// A record of which the first parts were seen, and the page with the last of these.
    std::optional<LoggedRecord> partial_;
    std::uint64_t partial_page_ = 0;
    bool is_in_checkpoint_ = false;
};

}  // namespace xa_tm::recovery_log
