#include <algorithm>
#include <iterator>
#include <string>

#include <fmt/format.h>

#include "conversation.h"
#include "fuzz_target.h"
#include "xa_tm/mysql/datasource.h"

// A server that says anything to the driver for MySQL and MariaDB and to the C client, once a
// client has logged in: in the handshake itself MariaDB's client (3.3.17 was seen to) does not
// survive every server. An input is a program of verbs, its length before it, a choice of product
// (1 byte) and a script; see conversation.h.
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

std::string packet_of(std::string_view body, std::uint8_t number) {
    std::string packet;
    for (const auto shift : {0U, 8U, 16U}) {
        packet += static_cast<char>(body.size() >> shift & 0xFFU);
    }
    packet += static_cast<char>(number);
    return packet.append(body);
}

/// MySQL: Protocol Basics, Packets. The request had number 0. The type is no part of a packet.
std::string framed(std::uint8_t, const std::string& body, std::string_view said) {
    std::uint8_t number = 1;
    while (said.size() >= kHeaderBytes) {
        said.remove_prefix(std::min(said.size(), kHeaderBytes + length_of(said)));
        ++number;
    }
    return packet_of(body, number);
}

/// MySQL: Protocol::HandshakeV10.
std::string greeting(std::string_view version) {
    using namespace std::string_literals;
    std::string body = "\x0a"s;
    body.append(version).append("\0"s);
    body +=
        "\x07\0\0\0"s
        "12345678\0"s;                          // the session's number, and a part of the challenge
    body += "\xfe\xf7\x2d\x02\0\xff\x81\x15"s;  // capabilities without TLS, utf8mb4, autocommit
    body += std::string(10, '\0') + "123456789012\0mysql_native_password\0"s;
    return packet_of(body, 0);
}

std::string welcome() {
    using namespace std::string_literals;
    return packet_of("\0\0\0\x02\0\0\0"s, 2);
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
    const bool is_mysql = input.number<std::uint8_t>() % 2 == 1;
    test::Script script{test::greeting(is_mysql ? "9.7.4" : "10.11.19-MariaDB"), test::welcome()};
    std::ranges::move(test::script_from(input, test::framed), std::back_inserter(script));
    const auto path = test::socket_folder() + "/mysql.sock";
    const test::HostileServer server{path, std::move(script), test::requests_in, true};
    mysql::Datasource datasource{
        "points", fmt::format("mysql://shop:{}@localhost/points?socket={}", test::kSecret, path)};
    test::converse(datasource, program);
    return 0;
}
