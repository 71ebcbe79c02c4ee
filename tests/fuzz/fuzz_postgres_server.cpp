#include <string>

#include <fmt/format.h>

#include "conversation.h"
#include "fuzz_target.h"
#include "xa_tm/postgres/datasource.h"

// A server that says anything to the driver for PostgreSQL and libpq. An input is a program of
// verbs, its length before it, and a script; see conversation.h.
namespace xa_tm::test {
namespace {

constexpr std::size_t kLengthBytes = 4;

std::size_t length_of(std::string_view bytes) {
    std::size_t length = 0;
    for (const char c : bytes.substr(0, kLengthBytes)) {
        length = length << 8U | static_cast<unsigned char>(c);
    }
    return length;
}

/// PostgreSQL: Message Formats. The length counts itself.
std::string framed(std::uint8_t type, std::string body, std::string_view) {
    const auto length = body.size() + kLengthBytes;
    std::string message(1, static_cast<char>(type));
    for (const auto shift : {24U, 16U, 8U, 0U}) {
        message += static_cast<char>(length >> shift & 0xFFU);
    }
    return message + body;
}

/// What a server answers: the startup message, which has no type, a query, a Sync, a Flush, a
/// password.
class Requests {
public:
    std::size_t operator()(std::string& received) {
        std::size_t count = 0;
        while (true) {
            const std::size_t type_bytes = is_started_ ? 1 : 0;
            const auto header = type_bytes + kLengthBytes;
            if (received.size() < header ||
                received.size() < type_bytes + length_of(received.substr(type_bytes))) {
                return count;
            }
            const bool is_asking =
                !is_started_ || std::string_view{"QSHp"}.find(received[0]) != std::string::npos;
            received.erase(0, type_bytes + length_of(received.substr(type_bytes)));
            is_started_ = true;
            count += is_asking ? 1 : 0;
        }
    }

private:
    bool is_started_ = false;
};

}  // namespace
}  // namespace xa_tm::test

/// What is not ours: libpq (15.18 was seen to) loses a result that a server lets another one follow
/// out of turn, and SOCI (4.0.3) the connection when a server refuses SOCI's own first statement.
extern "C" const char* __lsan_default_suppressions() {
    return "leak:libpq.so\nleak:libsoci_postgresql";
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace xa_tm;
    test::Input input{data, size};
    const auto program = input.text(16);
    const auto& folder = test::socket_folder();
    const test::HostileServer server{folder + "/.s.PGSQL.5432", script_from(input, test::framed),
                                     test::Requests{}, false};
    postgres::Datasource datasource{
        "users", fmt::format("postgresql:///users?host={}&port=5432&user=shop&password={}", folder,
                             test::kSecret)};
    test::converse(datasource, program);
    return 0;
}
