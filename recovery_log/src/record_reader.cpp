#include "xa_tm/recovery_log/record_reader.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "directory_lock.h"
#include "file_system_type.h"
#include "ident_file.h"
#include "io.h"
#include "page_codec.h"
#include "record_joiner.h"
#include "segment_file.h"
#include "settled_pages.h"

// Invariants:
// - A segment is left only after a later one was seen in use: nothing is written into it then.
namespace xa_tm::recovery_log {

class RecordReader::State {
public:
    using Take = std::function<void(const LoggedRecord&)>;

    State(FileSystem& file_system, std::filesystem::path directory)
        : file_system_{file_system}, directory_{std::move(directory)} {
        static_cast<void>(require_directory(file_system_, directory_));
        if (!log_id() && list_segments(file_system_, directory_).empty()) {
            throw LogError{LogErrorCode::not_found,
                           fmt::format("{} holds no log: correct the path", directory_.native())};
        }
    }

    void read_new(const Take& take);

private:
    struct Segment {
        SegmentName name;
        SegmentPages pages;
        RecordJoiner joiner;
        std::uint64_t next_page = 0;
    };

    [[nodiscard]] std::optional<LogId> log_id() const;
    [[nodiscard]] std::optional<SegmentName> find_successor() const;
    [[nodiscard]] bool has_begun(SegmentName name) const;
    void read_pages(std::uint64_t end, const Take& take);
    void read_new_pages(const Take& take);

    FileSystem& file_system_;
    std::filesystem::path directory_;
    std::unique_ptr<Segment> segment_;
};

std::optional<LogId> RecordReader::State::log_id() const {
    try {
        const auto ident = read_ident(file_system_, directory_);
        return ident ? std::optional{ident->id} : std::nullopt;
    } catch (const LogError&) {
        return std::nullopt;  // inspect_log() tells why it can't be read
    }
}

/// Looks at both copies of the first page only: a spare may be large, and is looked at often.
bool RecordReader::State::has_begun(SegmentName name) const {
    try {
        const auto file = open_file(file_system_, directory_ / file_name(name), OpenMode::read);
        const auto is_written = [&file](std::uint64_t page) {
            std::array<std::byte, kPageBytes> bytes{};
            static_cast<void>(read_some(*file, bytes, page * kPageBytes));
            return classify_page(bytes).state != PageState::zero;
        };
        return is_written(0) || is_written(file_size(*file) / kPageBytes / 2);
    } catch (const IoError& error) {
        if (error.error_number() == ENOENT) {
            return false;  // replaced since it was listed
        }
        throw;
    }
}

std::optional<SegmentName> RecordReader::State::find_successor() const {
    const auto names = list_segments(file_system_, directory_);
    const auto found = std::ranges::find_if(names, [&](SegmentName name) {
        return (!segment_ || name > segment_->name) && has_begun(name);
    });
    return found == names.end() ? std::nullopt : std::optional{*found};
}

void RecordReader::State::read_pages(std::uint64_t end, const Take& take) {
    Patience patience{find_owner(file_system_, directory_).has_value()};
    segment_->next_page =
        visit_settled(segment_->pages, segment_->next_page, end, patience,
                      [&](InspectedPage&& page) { segment_->joiner.add(page, take); });
}

/// Reads no more of the zeros behind the last page than it takes to know them.
void RecordReader::State::read_new_pages(const Take& take) {
    constexpr std::uint64_t kWindowPages = 16;
    for (bool has_more = true; has_more;) {
        const auto before = segment_->next_page;
        read_pages(before + kWindowPages, take);
        has_more = segment_->next_page > before;
    }
}

void RecordReader::State::read_new(const Take& take) {
    if (segment_) {
        read_new_pages(take);
    }
    while (const auto successor = find_successor()) {
        if (segment_) {
            read_pages(segment_->pages.count(), take);  // what was written meanwhile, too
        }
        try {
            segment_ = std::make_unique<Segment>(
                *successor, SegmentPages{file_system_, directory_, *successor, log_id()},
                RecordJoiner{file_name(*successor)});
            read_pages(segment_->pages.count(), take);
        } catch (const IoError& error) {
            if (error.error_number() != ENOENT) {
                throw;
            }
        }
    }
}

RecordReader::RecordReader(std::filesystem::path directory) try
    : state_{std::make_unique<State>(posix_file_system(), std::move(directory))} {
} catch (const IoError& error) {
    throw to_log_error(error);
}

RecordReader::~RecordReader() = default;

void RecordReader::read_new(const std::function<void(const LoggedRecord&)>& take) {
    try {
        state_->read_new(take);
    } catch (const IoError& error) {
        throw to_log_error(error);
    }
}

}  // namespace xa_tm::recovery_log
