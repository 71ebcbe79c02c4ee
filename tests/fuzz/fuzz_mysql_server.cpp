#include <string>

#include <fmt/format.h>

#include "conversation.h"
#include "fuzz_target.h"
#include "xa_tm/mysql/datasource.h"

// A server that says anything to the driver for MySQL and MariaDB and to the C client. An input is
// a program of verbs, its length before it, and a script; see conversation.h. The greeting comes
// first.
namespace xa_tm::test {
namespace {

constexpr std::size_t kHeaderBytes = 4;

std::size_t length_of(std::string_view packet) {
    std::size_t length = 0;
    for (const std::size_t at : {2U, 1U, 0U}) {
        length = length << 8U | static_cast<unsigned char>(packet[at]);
    }
    return length;
}

/// MySQL: Protocol Basics, Packets. The type is no part of a packet, but says what number the
/// packets to one request begin with: that of the request and one more.
std::string framed(std::uint8_t type, std::string body, std::string_view said) {
    constexpr std::uint8_t kFirstOfConnection = 2;
    std::uint8_t number = type == kFirstOfConnection ? 0 : type == 3 ? 2 : 1;
    while (said.size() >= kHeaderBytes) {
        const auto length = kHeaderBytes + length_of(said);
        said.remove_prefix(std::min(said.size(), length));
        ++number;
    }
    std::string packet;
    for (const auto shift : {0U, 8U, 16U}) {
        packet += static_cast<char>(body.size() >> shift & 0xFFU);
    }
    return packet + static_cast<char>(number) + body;
}

/// Every packet of the client is a request.
std::size_t requests_in(std::string& received) {
    std::size_t count = 0;
    while (received.size() >= kHeaderBytes &&
           received.size() >= kHeaderBytes + length_of(received)) {
        received.erase(0, kHeaderBytes + length_of(received));
        ++count;
    }
    return count;
}

}  // namespace
}  // namespace xa_tm::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace xa_tm;
    test::Input input{data, size};
    const auto program = input.text(16);
    const auto path = test::socket_folder() + "/mysql.sock";
    const test::HostileServer server{path, script_from(input, test::framed), test::requests_in,
                                     true};
    mysql::Datasource datasource{
        "points", fmt::format("mysql://shop:{}@localhost/points?socket={}", test::kSecret, path)};
    test::converse(datasource, program);
    return 0;
}
