#include "log_repair.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "file_system_type.h"
#include "ident_file.h"
#include "io.h"
#include "local_log.h"
#include "log_content.h"
#include "mirrored_segment.h"
#include "open_log.h"
#include "record_joiner.h"
#include "salvage.h"
#include "segment_file.h"
#include "segment_summary.h"

// The order of a repair, and why a crash in it does no harm:
// 1. lock; 2. read and judge, changing nothing; 3. the identity, if it is missing: without segments
// that open, it makes no difference; 4. a new segment under the next epoch, with all that is left:
// until it is whole, the old ones count, and the log is as damaged as before; from then on nobody
// reads the old ones; 5. the old ones get other names, for people.
namespace xa_tm::recovery_log {
namespace {

constexpr std::string_view kSetAside = ".broken";
/// Records of no bytes: a page holds no more.
constexpr std::uint64_t kRecordsPerPageMax = kPageRoomBytes / kRecordHeaderBytes;

/// One segment, as the directory and its copy hold it together.
struct Survey {
    SegmentName name;
    InspectedSegment segment;
    std::optional<LogId> log_id;
    bool is_complete;
    std::vector<LoggedRecord> records;
    std::uint64_t pages_from_mirror;
};

/// Everything that is needed to repair.
struct Examination {
    RepairPlan plan;
    LogStart start;
    LogLayout layout;
    bool has_damaged_ident = false;
};

class Examiner {
public:
    Examiner(FileSystem& file_system, const RepairOptions& options, bool is_owner)
        : file_system_{file_system}, options_{options}, is_owner_{is_owner} {}

    [[nodiscard]] Examination examine();

private:
    void load() const;
    [[nodiscard]] std::optional<LogError> meet_error() const;
    void read_identities();
    void survey_segments();
    [[nodiscard]] Survey survey(SegmentName name, unsigned copies_if_unknown);
    void settle_identity();
    void describe_damage();
    void add_lost_pages(const InspectedSegment& segment);
    void load_or_salvage();
    void start_from(LogContent&& log);
    void start_from(const Salvage& salvage);
    [[nodiscard]] MirroredSegment open_segment(SegmentName name, unsigned copies_if_unknown) const;
    [[nodiscard]] ScannedSegment scan(SegmentName name, std::optional<LogId> log_id,
                                      unsigned copies_if_unknown) const;
    [[nodiscard]] Salvage salvage() const;
    void add_note();

    FileSystem& file_system_;
    const RepairOptions& options_;
    const bool is_owner_;
    std::optional<Ident> ident_;
    std::vector<SegmentName> names_;
    std::vector<Survey> surveys_;
    Examination found_{.plan = {}, .start = {}, .layout = {0, 0, kIdleBeforeSeal}};
};

/// As read_log(), which would take this process for a live owner that may be writing.
void Examiner::load() const {
    const auto& directory = options_.directory;
    const auto ident = read_ident(file_system_, directory);
    const auto segments = list_segments(file_system_, directory);
    if (!ident) {
        check_unborn(file_system_, directory, segments);
        throw LogError{LogErrorCode::not_found,
                       fmt::format("{} holds no log: correct the path", directory.native())};
    }
    static_cast<void>(load_content(file_system_, directory, ident->id, segments));
}

std::optional<LogError> Examiner::meet_error() const {
    try {
        is_owner_ ? load() : static_cast<void>(read_log(file_system_, options_.directory));
        return std::nullopt;
    } catch (const LogError& error) {
        if (error.code() != LogErrorCode::damaged) {
            throw;
        }
        return error;
    }
}

void Examiner::read_identities() {
    try {
        ident_ = read_ident(file_system_, options_.directory);
    } catch (const LogError&) {
        found_.has_damaged_ident = true;  // meet_error() has told it
    }
    if (!options_.mirror) {
        return;
    }
    static_cast<void>(require_directory(file_system_, *options_.mirror));
    const auto other = read_ident(file_system_, *options_.mirror);
    if (ident_ && other && ident_->id != other->id) {
        throw LogError{LogErrorCode::foreign_node,
                       fmt::format("{} is a copy of log {}, and {} is log {}: choose a copy of "
                                   "this log",
                                   options_.mirror->native(), other->id.to_string(),
                                   options_.directory.native(), ident_->id.to_string())};
    }
    found_.plan.restores_identity = !ident_;
    ident_ = ident_ ? ident_ : other;
}

MirroredSegment Examiner::open_segment(SegmentName name, unsigned copies_if_unknown) const {
    const auto file = file_name(name);
    return {file_system_,
            options_.directory / file,
            options_.mirror ? std::optional{*options_.mirror / file} : std::nullopt,
            name,
            ident_ ? std::optional{ident_->id} : std::nullopt,
            copies_if_unknown};
}

Survey Examiner::survey(SegmentName name, unsigned copies_if_unknown) {
    auto pages = open_segment(name, copies_if_unknown);
    SegmentSummary summary{name};
    RecordJoiner joiner{file_name(name)};
    std::vector<LoggedRecord> records;
    std::uint64_t index = 0;
    const auto taken = pages.read([&](std::span<const PageCopy> copies) {
        auto page = describe_page(pages.place_of(index), copies);
        ++index;
        if (page.condition == PageCondition::zero) {
            return;
        }
        joiner.add(page, [&](const LoggedRecord& record) { records.push_back(record); });
        summary.add(std::move(page));
    });
    auto segment = summary.finish();
    segment.pages = pages.pages();
    segment.copies = pages.copies();
    const auto& header = pages.first_header();
    return {name,
            std::move(segment),
            header ? std::optional{header->log_id} : std::nullopt,
            summary.is_complete(),
            std::move(records),
            taken};
}

void Examiner::survey_segments() {
    names_ = list_segments(file_system_, options_.directory);
    if (options_.mirror) {
        const auto others = list_segments(file_system_, *options_.mirror);
        names_.insert(names_.end(), others.begin(), others.end());
        std::ranges::sort(names_);
        names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
    }
    unsigned copies = 1;
    for (const auto name : names_) {
        surveys_.push_back(survey(name, copies));
        copies = std::max(copies, surveys_.back().segment.copies);
        found_.plan.pages_from_mirror += surveys_.back().pages_from_mirror;
    }
}

void Examiner::settle_identity() {
    for (auto next = surveys_.rbegin(); next != surveys_.rend() && !ident_; ++next) {
        if (next->log_id && !next->segment.node.empty()) {
            ident_ = Ident{.id = *next->log_id, .node = next->segment.node};
            found_.plan.restores_identity = true;
        }
    }
    if (!ident_) {
        throw LogError{*found_.plan.error};
    }
    found_.plan.id = ident_->id;
    found_.plan.node = ident_->node;
}

ScannedSegment Examiner::scan(SegmentName name, std::optional<LogId> log_id,
                              unsigned copies_if_unknown) const {
    auto pages = open_segment(name, copies_if_unknown);
    SegmentScan scan{(options_.directory / file_name(name)).native(), name, log_id};
    static_cast<void>(
        pages.read([&scan](std::span<const PageCopy> copies) { scan.add_page(copies); }));
    return {.file_pages = pages.file_pages(),
            .is_unused = scan.is_unused(),
            .knows_copies = pages.knows_copies(),
            .verdict = scan.finish(pages.file_pages())};
}

/// From the newest segment to the first whose list of entries is whole: older ones say nothing.
Salvage Examiner::salvage() const {
    Salvage salvage;
    for (auto next = surveys_.rbegin(); next != surveys_.rend(); ++next) {
        for (const auto& record : next->records) {
            salvage.take(record);
        }
        if (next->is_complete) {
            break;
        }
    }
    return salvage;
}

void Examiner::start_from(LogContent&& log) {
    auto& start = found_.start;
    start.next_page_no = log.next_page_no;
    start.next_seq = log.content.next_seq;
    start.last_crc = log.content.last_crc;
    start.torn_pages = log.content.torn_pages;
    start.live = std::move(log.content.live);
    start.quarantined_through = log.content.quarantined_through;
    start.notes = std::move(log.content.notes);
}

void Examiner::start_from(const Salvage& salvage) {
    auto& start = found_.start;
    start.next_seq = salvage.next_seq();
    start.live = salvage.live();
    start.notes = salvage.notes();
    start.quarantined_through = salvage.quarantined_through();
    for (const auto& [name, segment, log_id, is_complete, records, taken] : surveys_) {
        if (segment.pages_used > 0 || segment.damaged_pages > 0) {
            start.quarantined_through = std::max(start.quarantined_through, name.epoch);
            // What was lost had numbers, too.
            start.next_page_no =
                std::max(start.next_page_no, segment.first_page_no + segment.pages);
            start.next_seq += segment.pages * kRecordsPerPageMax;
        }
    }
    found_.plan.quarantined_through = start.quarantined_through;
}

void Examiner::load_or_salvage() {
    try {
        const auto scan_one = [this](SegmentName name, std::optional<LogId> log_id,
                                     unsigned copies_if_unknown) {
            return scan(name, log_id, copies_if_unknown);
        };
        start_from(load_content(scan_one, options_.directory, ident_->id, names_));
    } catch (const LogError& error) {
        if (error.code() != LogErrorCode::damaged || names_.empty()) {
            throw;
        }
        found_.plan.loss = error.what();
        start_from(salvage());
    }
    auto& start = found_.start;
    start.ident = *ident_;
    start.epoch = names_.back().epoch + 1;
    for (const auto& [id, body] : start.live) {
        found_.plan.entries.push_back({id, body});
    }
}

void Examiner::describe_damage() {
    const auto in_directory = list_segments(file_system_, options_.directory);
    for (const auto& [name, segment, log_id, is_complete, records, taken] : surveys_) {
        if (segment.pages_used == 0 && segment.bad_pages.empty()) {
            continue;
        }
        found_.layout.segment_pages = segment.pages;
        found_.layout.copies = segment.copies;
        if (std::ranges::binary_search(in_directory, name)) {
            found_.plan.set_aside.push_back(segment.file);
        }
        if (!found_.plan.loss.empty()) {
            add_lost_pages(segment);
        }
    }
    if (found_.layout.segment_pages == 0) {
        const Options usual{};
        found_.layout.segment_pages = usual.segment_size_bytes / kPageBytes / usual.copies;
        found_.layout.copies = usual.copies;
    }
}

void Examiner::add_lost_pages(const InspectedSegment& segment) {
    for (const auto& page : segment.bad_pages) {
        const bool is_gone = page.condition == PageCondition::zero;
        const bool is_lost =
            page.condition == PageCondition::damaged || page.condition == PageCondition::unreadable;
        if (is_lost || (is_gone && page.index < segment.pages_used)) {
            found_.plan.lost_pages.push_back({segment.file, page.index, page.offset, page.problem});
        }
    }
}

void Examiner::add_note() {
    const auto& plan = found_.plan;
    auto text = fmt::format("repaired by {}; pages taken from a copy: {}; entries that go on: {}",
                            options_.operator_name, plan.pages_from_mirror, plan.entries.size());
    if (!plan.loss.empty()) {
        text += fmt::format(
            "; pages whose loss was accepted: {}; in quarantine: incarnations up "
            "to {}",
            plan.lost_pages.size(), plan.quarantined_through);
    }
    const auto now = std::chrono::system_clock::now();
    found_.start.notes.push_back(
        {.at = std::chrono::time_point_cast<std::chrono::microseconds>(now), .text = text});
}

Examination Examiner::examine() {
    static_cast<void>(require_directory(file_system_, options_.directory));
    found_.plan.error = meet_error();
    if (found_.plan.error) {
        read_identities();
        survey_segments();
        settle_identity();
        load_or_salvage();
        describe_damage();
        add_note();
    }
    return std::move(found_);
}

void set_aside(FileSystem& file_system, const std::filesystem::path& directory,
               const std::string& file) {
    rename(file_system, directory / file, directory / (file + std::string{kSetAside}));
}

void write_repaired(FileSystem& file_system, const std::filesystem::path& directory,
                    Examination&& found, std::unique_ptr<DirectoryLock> lock) {
    if (found.plan.restores_identity) {
        if (found.has_damaged_ident) {
            set_aside(file_system, directory, std::string{kIdentFile});
        }
        write_ident(file_system, directory, found.start.ident);
    }
    LocalLog log{file_system, directory, found.layout, std::move(lock), std::move(found.start)};
    log.start();
    // Durable from here: the new segment replaces the damaged ones.
    for (const auto& file : found.plan.set_aside) {
        set_aside(file_system, directory, file);
    }
    sync_directory(file_system, directory);
}

}  // namespace

RepairPlan plan_repair(FileSystem& file_system, const RepairOptions& options) {
    try {
        return Examiner{file_system, options, false}.examine().plan;
    } catch (const IoError& error) {
        throw to_log_error(error);
    }
}

RepairPlan repair_log(FileSystem& file_system, const RepairOptions& options) {
    try {
        static_cast<void>(require_directory(file_system, options.directory));
        auto lock = DirectoryLock::acquire(file_system, options.directory);
        auto found = Examiner{file_system, options, true}.examine();
        auto plan = found.plan;
        if (!plan.error) {
            return plan;
        }
        if (!plan.loss.empty() && !options.accept_loss) {
            throw LogError{LogErrorCode::damaged,
                           fmt::format("a repair would lose something: {}", plan.loss)};
        }
        lock->publish(0);
        write_repaired(file_system, options.directory, std::move(found), std::move(lock));
        return plan;
    } catch (const IoError& error) {
        throw to_log_error(error);
    } catch (const Fenced& fenced) {
        throw LogError{LogErrorCode::in_use, fenced.what()};
    }
}

RepairPlan plan_repair(const RepairOptions& options) {
    return plan_repair(posix_file_system(), options);
}

RepairPlan repair_log(const RepairOptions& options) {
    return repair_log(posix_file_system(), options);
}

}  // namespace xa_tm::recovery_log
