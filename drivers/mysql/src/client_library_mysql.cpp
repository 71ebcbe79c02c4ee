// What MySQL's library can't do is seen here too: it sends, and switches the packing, only by
// waiting, and SOCI can't tell it how to use TLS.

#include <stdexcept>

#include <fmt/format.h>
#include <poll.h>

#include "client_library.h"
#include "xa_tm/xid.h"

namespace xa_tm::mysql::client_library {
namespace {

short read_result(MYSQL& mysql, StepCall& call) {
    const auto status = ::mysql_next_result_nonblocking(&mysql);
    call.has_failed = status != NET_ASYNC_COMPLETE;
    return status == NET_ASYNC_NOT_READY ? POLLIN : 0;
}

short store_result(MYSQL& mysql, StepCall& call) {
    return ::mysql_store_result_nonblocking(&mysql, &call.stored) == NET_ASYNC_NOT_READY ? POLLIN
                                                                                         : 0;
}

/// The library reads a packet's first result as it reads those that follow, but without waiting it
/// does so only if it expects one to follow.
void expect_first_result(MYSQL& mysql) {
    mysql.server_status |= SERVER_MORE_RESULTS_EXISTS;
    // Packets that were sent together are answered one by one, each counted from its own start.
    mysql.net.pkt_nr = 1;
}

}  // namespace

void allow_steps(MYSQL&) {}

short start_step(MYSQL& mysql, StepCall& call) {
    switch (call.step) {
        case Step::switch_packing:
            call.has_failed = ::mysql_set_server_option(&mysql, call.packing) != 0;
            return 0;
        case Step::send:
            // Its sending that does not wait can't be repeated before the answer is read.
            call.has_failed =
                ::mysql_send_query(&mysql, call.packet.data(), call.packet.size()) != 0;
            return 0;
        case Step::read_first: expect_first_result(mysql); return read_result(mysql, call);
        case Step::read_next: return read_result(mysql, call);
        case Step::store: return store_result(mysql, call);
    }
    return 0;
}

short resume_step(MYSQL& mysql, StepCall& call, short) {
    return call.step == Step::store ? store_result(mysql, call) : read_result(mysql, call);
}

int socket_of(MYSQL& mysql) {
    return mysql.net.fd;
}

std::string literal_of_text(MYSQL& mysql, std::string_view text) {
    // The library (9.7 was seen to) escapes a quote behind half a character of this set so that the
    // backslash becomes the other half, and the quote ends the string.
    constexpr std::string_view kUnsafe = "gb18030";
    if (::mysql_character_set_name(&mysql) == kUnsafe) {
        return fmt::format("_{} x'{}'", kUnsafe, to_hex(text));
    }
    std::string to(2 * text.size() + 1, '\0');
    // Without the quote's name it refuses to work where a backslash is a plain character.
    to.resize(::mysql_real_escape_string_quote(&mysql, to.data(), text.data(), text.size(), '\''));
    return fmt::format("'{}'", to);
}

std::optional<std::string> connect_string(const ServerAddress& address) {
    const bool is_told = address.ssl_mode.empty() || address.ssl_mode == "preferred" ||
                         address.ssl_mode == "required";
    if (!is_told || !address.ssl_ca.empty() || !address.ssl_cert.empty() ||
        !address.ssl_key.empty()) {
        throw std::invalid_argument(
            "this build has MySQL's client library, which through SOCI encrypts whenever the "
            "server can, and takes of TLS only ssl-mode=preferred or required");
    }
    return std::nullopt;
}

}  // namespace xa_tm::mysql::client_library
