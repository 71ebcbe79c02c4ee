#include "promises.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <set>

#include <fmt/format.h>

// Invariants:
// - The body of each entry begins with its number, so that it is found again without a search.
// - owed_ holds only entries that may be there.
namespace xa_tm::test {
namespace {

using recovery_log::Entry;
using recovery_log::EntryId;
using recovery_log::Forced;
using recovery_log::ForceResult;
using recovery_log::RecoveryLog;

bool is_body(const std::vector<std::byte>& bytes, const std::string& body) {
    return bytes.size() == body.size() && std::memcmp(bytes.data(), body.data(), body.size()) == 0;
}

}  // namespace

std::size_t Promises::make_entry(std::size_t size_bytes) {
    const std::size_t number = entries_.size();
    std::string body = fmt::format("{:07}:", number);
    while (body.size() < size_bytes) {
        body += static_cast<char>('!' + (body.size() * 31 + number * 17) % 90);
    }
    entries_.push_back({std::move(body)});
    return number;
}

void Promises::answered(std::size_t entry, const Forced& answer) {
    switch (answer.result) {
        case ForceResult::durable: owed_.emplace(answer.id, entry); break;
        case ForceResult::refused: entries_[entry].may_be_there = false; break;
        case ForceResult::unknown: return;
    }
    ++version_;
}

std::optional<std::string> Promises::opened(const RecoveryLog& log) {
    auto broken = broken_by(log);
    id_ = log.id();
    last_incarnation_ = log.incarnation();
    ++version_;
    return broken;
}

std::optional<std::size_t> Promises::find(const std::vector<std::byte>& body) const {
    const auto* begin = reinterpret_cast<const char*>(body.data());
    std::size_t number = 0;
    const auto parsed = std::from_chars(begin, begin + body.size(), number);
    if (parsed.ec != std::errc{} || number >= entries_.size() ||
        !is_body(body, entries_[number].body)) {
        return std::nullopt;
    }
    return number;
}

std::optional<std::string> Promises::broken_by(const RecoveryLog& log) const {
    if (id_ && *id_ != log.id()) {
        return "the log has another identity";
    }
    if (log.incarnation() <= last_incarnation_) {
        return fmt::format("incarnation {} follows {}", log.incarnation(), last_incarnation_);
    }
    return broken_by(log.live_entries());
}

std::optional<std::string> Promises::broken_by(const std::vector<Entry>& found) const {
    std::set<std::size_t> numbers;
    std::size_t owed = 0;
    for (const auto& entry : found) {
        const auto number = find(entry.body);
        if (!number || !entries_[*number].may_be_there) {
            return fmt::format("entry {} is invented", entry.id);
        }
        if (!numbers.insert(*number).second) {
            return fmt::format("entry {} is doubled", entry.id);
        }
        if (const auto promised = owed_.find(entry.id); promised != owed_.end()) {
            if (promised->second != *number) {
                return fmt::format("entry {} is another than was promised", entry.id);
            }
            ++owed;
        }
    }
    if (owed == owed_.size()) {
        return std::nullopt;
    }
    const auto lost = std::ranges::find_if(
        owed_, [&](const auto& promised) { return !numbers.contains(promised.second); });
    return lost == owed_.end() ? "an entry has another id than was promised"
                               : fmt::format("entry {} is lost", lost->first);
}

std::optional<std::string> difference(const std::vector<Entry>& before,
                                      const std::vector<Entry>& after) {
    const auto is_same = [](const Entry& a, const Entry& b) {
        return a.id == b.id && a.body.size() == b.body.size() &&
               std::memcmp(a.body.data(), b.body.data(), a.body.size()) == 0;
    };
    if (std::ranges::equal(before, after, is_same)) {
        return std::nullopt;
    }
    return fmt::format("{} entries were live, and then {} others", before.size(), after.size());
}

}  // namespace xa_tm::test
