#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <set>
#include <vector>

#include <unistd.h>

#include "contender.h"
#include "crc32c.h"
#include "temporary_directory.h"
#include "zeroed_file.h"

namespace xa_tm::bench {
namespace {

constexpr std::size_t kNaiveFileBytes = std::size_t{64} << 20;

/// A log as it is written first: a record is appended and synced under a mutex, and has a checksum;
/// a forget is appended and waits for the next sync.
///
/// Ownership: owns the file.
/// Thread safety: force() and forget() may be called from several threads at once.
class NaiveLog {
public:
    explicit NaiveLog(const std::filesystem::path& directory)
        : file_{create_zeroed_file(directory / "naive", kNaiveFileBytes)} {}
    NaiveLog(const NaiveLog&) = delete;
    NaiveLog& operator=(const NaiveLog&) = delete;
    ~NaiveLog() { ::close(file_); }

    std::uint64_t force(std::span<const std::byte> body) {
        const std::lock_guard guard{mutex_};
        const auto id = append(0, body);
        sync_data(file_);
        ++syncs_;
        return id;
    }

    void forget(std::uint64_t id) {
        const std::lock_guard guard{mutex_};
        append(id, {});
    }

    /// Without the mutex, which its busy users might not leave to anyone else for long.
    [[nodiscard]] Counters counters() const {
        const auto syncs = syncs_.load();
        return {.forces = syncs, .syncs = syncs};
    }

    /// What is in the file and not forgotten.
    [[nodiscard]] std::set<std::uint64_t> read_live() const {
        std::set<std::uint64_t> live;
        std::vector<std::byte> bytes(end_);
        read_at(file_, bytes, 0);
        for (std::size_t offset = 0; offset + sizeof(Header) <= bytes.size();) {
            Header header;
            std::memcpy(&header, bytes.data() + offset, sizeof(header));
            const auto record = std::span{bytes}.subspan(offset, header.bytes);
            if (recovery_log::crc32c(record.subspan(kCheckedFrom)) != header.crc) {
                throw VerificationFailed{"the naive log has a damaged record"};
            }
            if (header.forgets == 0) {
                live.insert(header.id);
            } else {
                live.erase(header.forgets);
            }
            offset += header.bytes;
        }
        return live;
    }

private:
    struct Header {
        std::uint32_t crc;
        std::uint32_t bytes;
        std::uint64_t id;
        std::uint64_t forgets;
    };
    static constexpr std::size_t kCheckedFrom = sizeof(Header::crc);

    std::uint64_t append(std::uint64_t forgets, std::span<const std::byte> body) {
        std::array<std::byte, sizeof(Header) + kDecisionBytes> buffer;
        const auto record = std::span{buffer}.first(sizeof(Header) + body.size());
        if (end_ + record.size() > kNaiveFileBytes) {
            throw std::runtime_error{"the naive log is full; it has only one file"};
        }
        Header header{.crc = 0,
                      .bytes = static_cast<std::uint32_t>(record.size()),
                      .id = next_id_++,
                      .forgets = forgets};
        std::memcpy(record.data(), &header, sizeof(header));
        std::ranges::copy(body, record.begin() + sizeof(header));
        header.crc = recovery_log::crc32c(record.subspan(kCheckedFrom));
        std::memcpy(record.data(), &header.crc, sizeof(header.crc));
        write_at(file_, record, end_);
        end_ += record.size();
        return header.id;
    }

    std::mutex mutex_;
    int file_;
    std::size_t end_ = 0;
    std::uint64_t next_id_ = 1;
    std::atomic<std::uint64_t> syncs_{0};
};

class NaiveContender final : public Contender {
public:
    explicit NaiveContender(std::filesystem::path directory) : directory_{std::move(directory)} {}

    [[nodiscard]] std::string name() const override { return "naive"; }

    [[nodiscard]] Sample run(const Load& load) override {
        const test::TemporaryDirectory directory{directory_};
        NaiveLog log{directory.path()};
        std::vector<std::uint64_t> kept(load.threads);
        const std::vector<std::byte> body(kDecisionBytes, std::byte{0x5a});
        const auto work = [&](unsigned thread, const Window& window) {
            Tally tally;
            for (bool is_first = true; !window.is_over(); is_first = false) {
                const auto begin = Clock::now();
                const auto id = log.force(body);
                tally.add(window, begin);
                if (is_first) {
                    kept[thread] = id;
                } else {
                    log.forget(id);
                }
            }
            return tally;
        };
        const auto sample = measure(
            load, [&] { return log.counters(); }, work);
        if (log.read_live() != std::set(kept.begin(), kept.end())) {
            throw VerificationFailed{"the naive log does not hold exactly what is live"};
        }
        return sample;
    }

private:
    std::filesystem::path directory_;
};

}  // namespace

std::unique_ptr<Contender> make_naive_log(const std::filesystem::path& directory) {
    return std::make_unique<NaiveContender>(directory);
}

}  // namespace xa_tm::bench
