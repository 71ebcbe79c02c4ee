// Layout, little-endian: version u8 (1) · kind u8 · body.
//   kind 1, decision:  gtrid str · decided_at i64 (µs since 1970) · count u16 ·
//                      count × (resource str · bqual str · server str · evidence str ·
//                      is_finished u8)
//   kind 2, heuristic: gtrid str · bqual str · XA code i32 · resource str · noticed_at i64 · words
//   str ·
//                      server str
//   kind 3, operator's act: ordered_at i64 · who str · verb u8 · formatID i64 · gtrid str ·
//                      resource str · reason str · overridden str
//   kind 4, server sighting: resource str · server str · history str · flushed u64
//   kind 5, server doubt: resource str · server str · through_incarnation u32 ·
//                      through_sequence u64 · words str
//   kind 6, log doubt: words str
//   kind 7, last resource: resource str
//   str: length u16 · bytes

#include "decision_record.h"

#include <array>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "xa_tm/recovery_log/check.h"

namespace xa_tm {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kDecision = 1;
constexpr std::uint8_t kHeuristic = 2;
constexpr std::uint8_t kOperatorAct = 3;
constexpr std::uint8_t kServerSighting = 4;
constexpr std::uint8_t kServerDoubt = 5;
constexpr std::uint8_t kLogDoubt = 6;
constexpr std::uint8_t kLastResource = 7;
constexpr std::size_t kMaxString = 0xFFFF;
/// A decision over two or three branches fits.
constexpr std::size_t kUsualBytes = 512;

class Writer {
public:
    Writer() { bytes_.reserve(kUsualBytes); }

    template <class Number>
    void number(Number value) {
        const auto bits = static_cast<std::make_unsigned_t<Number>>(value);
        std::array<std::byte, sizeof bits> bytes{};
        for (std::size_t i = 0; i < sizeof bits; ++i) {
            bytes[i] = static_cast<std::byte>((bits >> (8 * i)) & 0xFFU);
        }
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }
    void string(std::string_view text) {
        XA_TM_CHECK(text.size() <= kMaxString, "names, xids and evidence are short");
        number(static_cast<std::uint16_t>(text.size()));
        const auto bytes = std::as_bytes(std::span{text});
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }
    void time(LogTime time) { number(std::int64_t{time.time_since_epoch().count()}); }
    [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

private:
    std::vector<std::byte> bytes_;
};

/// Counts what a Writer would write.
class Counter {
public:
    template <class Number>
    void number(Number value) noexcept {
        bytes_ += sizeof value;
    }
    void string(std::string_view text) noexcept { bytes_ += sizeof(std::uint16_t) + text.size(); }
    void time(LogTime) noexcept { bytes_ += sizeof(std::int64_t); }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

private:
    std::size_t bytes_ = 0;
};

/// Reads until something is missing; then everything further is empty and is_good() is false.
class Reader {
public:
    explicit Reader(std::span<const std::byte> bytes) noexcept : rest_{bytes} {}

    template <class Number>
    Number number() {
        std::make_unsigned_t<Number> bits = 0;
        const auto bytes = take(sizeof bits);
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            const auto byte = std::to_integer<std::make_unsigned_t<Number>>(bytes[i]);
            bits = static_cast<std::make_unsigned_t<Number>>(bits | (byte << (8 * i)));
        }
        return static_cast<Number>(bits);
    }
    std::string string() {
        const auto bytes = take(number<std::uint16_t>());
        std::string text(bytes.size(), '\0');
        if (!bytes.empty()) {
            std::memcpy(text.data(), bytes.data(), bytes.size());
        }
        return text;
    }
    LogTime time() { return LogTime{std::chrono::microseconds{number<std::int64_t>()}}; }
    /// What was read is not what it should be.
    void spoil() noexcept { is_good_ = false; }
    [[nodiscard]] bool is_good() const noexcept { return is_good_; }
    [[nodiscard]] bool is_at_end() const noexcept { return is_good_ && rest_.empty(); }

private:
    std::span<const std::byte> take(std::size_t count) noexcept {
        if (!is_good_ || rest_.size() < count) {
            is_good_ = false;
            return {};
        }
        const auto taken = rest_.first(count);
        rest_ = rest_.subspan(count);
        return taken;
    }

    std::span<const std::byte> rest_;
    bool is_good_ = true;
};

Decision read_decision(Reader& reader) {
    Decision decision;
    decision.gtrid = reader.string();
    decision.decided_at = reader.time();
    const auto count = reader.number<std::uint16_t>();
    for (std::uint16_t i = 0; i < count && reader.is_good(); ++i) {
        auto resource = reader.string();
        auto bqual = reader.string();
        auto server = reader.string();
        auto evidence = reader.string();
        const bool is_finished = reader.number<std::uint8_t>() != 0;
        decision.branches.push_back({std::move(resource), std::move(bqual), std::move(server),
                                     std::move(evidence), is_finished});
    }
    return decision;
}

Heuristic read_heuristic(Reader& reader) {
    auto gtrid = reader.string();
    auto bqual = reader.string();
    const auto code = static_cast<XaCode>(reader.number<std::int32_t>());
    auto resource = reader.string();
    const auto noticed_at = reader.time();
    auto words = reader.string();
    auto server = reader.string();
    return {std::move(gtrid), std::move(bqual), code, std::move(resource), noticed_at,
            std::move(words), std::move(server)};
}

OperatorAct read_operator_act(Reader& reader) {
    OperatorAct act{};
    act.ordered_at = reader.time();
    act.who = reader.string();
    act.verb = static_cast<OrderVerb>(reader.number<std::uint8_t>());
    if (act.verb < OrderVerb::commit || act.verb > OrderVerb::forget) {
        reader.spoil();
    }
    act.format_id = reader.number<std::int64_t>();
    act.gtrid = reader.string();
    act.resource = reader.string();
    act.reason = reader.string();
    act.overridden = reader.string();
    return act;
}

ServerSighting read_server_sighting(Reader& reader) {
    ServerSighting sighting;
    sighting.resource = reader.string();
    sighting.server = reader.string();
    sighting.position.history = reader.string();
    sighting.position.flushed = reader.number<std::uint64_t>();
    return sighting;
}

ServerDoubt read_server_doubt(Reader& reader) {
    ServerDoubt doubt{};
    doubt.resource = reader.string();
    doubt.server = reader.string();
    doubt.through_incarnation = reader.number<std::uint32_t>();
    doubt.through_sequence = reader.number<std::uint64_t>();
    doubt.words = reader.string();
    return doubt;
}

template <class Sink>
void write(Sink& writer, const Decision& decision) {
    writer.number(kDecision);
    writer.string(decision.gtrid);
    writer.time(decision.decided_at);
    writer.number(static_cast<std::uint16_t>(decision.branches.size()));
    for (const auto& branch : decision.branches) {
        XA_TM_CHECK(
            branch.evidence.size() <= kMaxEvidenceBytes && branch.server.size() <= kMaxServerBytes,
            "space was reserved for no more");
        writer.string(branch.resource);
        writer.string(branch.bqual);
        writer.string(branch.server);
        writer.string(branch.evidence);
        writer.number(static_cast<std::uint8_t>(branch.is_finished ? 1 : 0));
    }
}

void write(Writer& writer, const Heuristic& heuristic) {
    writer.number(kHeuristic);
    writer.string(heuristic.gtrid);
    writer.string(heuristic.bqual);
    writer.number(static_cast<std::int32_t>(heuristic.code));
    writer.string(heuristic.resource);
    writer.time(heuristic.noticed_at);
    writer.string(heuristic.words);
    writer.string(heuristic.server);
}

void write(Writer& writer, const OperatorAct& act) {
    writer.number(kOperatorAct);
    writer.time(act.ordered_at);
    writer.string(act.who);
    writer.number(static_cast<std::uint8_t>(act.verb));
    writer.number(act.format_id);
    writer.string(act.gtrid);
    writer.string(act.resource);
    writer.string(act.reason);
    writer.string(act.overridden);
}

void write(Writer& writer, const ServerSighting& sighting) {
    writer.number(kServerSighting);
    writer.string(sighting.resource);
    writer.string(sighting.server);
    writer.string(sighting.position.history);
    writer.number(sighting.position.flushed);
}

void write(Writer& writer, const ServerDoubt& doubt) {
    writer.number(kServerDoubt);
    writer.string(doubt.resource);
    writer.string(doubt.server);
    writer.number(doubt.through_incarnation);
    writer.number(doubt.through_sequence);
    writer.string(doubt.words);
}

void write(Writer& writer, const LogDoubt& doubt) {
    writer.number(kLogDoubt);
    writer.string(doubt.words);
}

void write(Writer& writer, const LastResource& last) {
    writer.number(kLastResource);
    writer.string(last.resource);
}

template <class Sink, class Record>
void write_record(Sink& writer, const Record& record) {
    writer.number(kVersion);
    write(writer, record);
}

}  // namespace

std::vector<std::byte> encode(const Decision& decision) {
    Writer writer;
    write_record(writer, decision);
    return writer.take();
}

std::vector<std::byte> encode(const LogRecord& record) {
    Writer writer;
    std::visit([&](const auto& content) { write_record(writer, content); }, record);
    return writer.take();
}

std::optional<LogRecord> decode(std::span<const std::byte> bytes) {
    Reader reader{bytes};
    if (reader.number<std::uint8_t>() != kVersion) {
        return std::nullopt;
    }
    std::optional<LogRecord> record;
    switch (reader.number<std::uint8_t>()) {
        case kDecision: record = read_decision(reader); break;
        case kHeuristic: record = read_heuristic(reader); break;
        case kOperatorAct: record = read_operator_act(reader); break;
        case kServerSighting: record = read_server_sighting(reader); break;
        case kServerDoubt: record = read_server_doubt(reader); break;
        case kLogDoubt: record = LogDoubt{reader.string()}; break;
        case kLastResource: record = LastResource{reader.string()}; break;
        default: break;  // of a newer version
    }
    return reader.is_at_end() ? record : std::nullopt;
}

std::size_t encoded_size_max(const Decision& decision) {
    Counter counter;
    write_record(counter, decision);
    auto size = counter.bytes();
    for (const auto& branch : decision.branches) {
        size += kMaxServerBytes - branch.server.size();
        size += kMaxEvidenceBytes - branch.evidence.size();
    }
    return size;
}

}  // namespace xa_tm
