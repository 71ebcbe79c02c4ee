#include <stdexcept>

#include <fmt/format.h>
#include <poll.h>

#include "client_library.h"

namespace xa_tm::mysql::client_library {
namespace {

int to_wait_flags(short events) {
    int flags = 0;
    flags |= (events & (POLLIN | POLLHUP | POLLERR)) != 0 ? MYSQL_WAIT_READ : 0;
    flags |= (events & (POLLOUT | POLLHUP | POLLERR)) != 0 ? MYSQL_WAIT_WRITE : 0;
    flags |= (events & POLLPRI) != 0 ? MYSQL_WAIT_EXCEPT : 0;
    return flags;
}

short to_events(int wait_flags) {
    int events = 0;
    events |= (wait_flags & MYSQL_WAIT_READ) != 0 ? POLLIN : 0;
    events |= (wait_flags & MYSQL_WAIT_WRITE) != 0 ? POLLOUT : 0;
    events |= (wait_flags & MYSQL_WAIT_EXCEPT) != 0 ? POLLPRI : 0;
    return static_cast<short>(events);
}

/// A value for the library's own form: in braces, or bare where it holds a brace that would end
/// them, which the library (3.3 was seen to) can't be told otherwise.
std::string braced(std::string_view key, std::string_view value) {
    if (value.find('}') == std::string_view::npos) {
        return fmt::format("{{{}}}", value);
    }
    if (value.find_first_of(";{=") != std::string_view::npos || value.front() == ' ' ||
        value.back() == ' ') {
        throw std::invalid_argument(
            fmt::format("with TLS the C client takes no {} that holds }} and also ;, {{, = or a "
                        "blank at an end",
                        key));
    }
    return std::string{value};
}

}  // namespace

void allow_steps(MYSQL& mysql) {
    ::mysql_optionsv(&mysql, MYSQL_OPT_NONBLOCK, nullptr);
}

short start_step(MYSQL& mysql, StepCall& call) {
    int failure = 0;
    my_bool read_failure = 0;
    int waits_for = 0;
    switch (call.step) {
        case Step::switch_packing:
            waits_for = ::mysql_set_server_option_start(&failure, &mysql, call.packing);
            break;
        case Step::send:
            waits_for =
                ::mysql_send_query_start(&failure, &mysql, call.packet.data(), call.packet.size());
            break;
        case Step::read_first:
            waits_for = ::mysql_read_query_result_start(&read_failure, &mysql);
            break;
        case Step::read_next: waits_for = ::mysql_next_result_start(&failure, &mysql); break;
        case Step::store: waits_for = ::mysql_store_result_start(&call.stored, &mysql); break;
    }
    call.has_failed = failure != 0 || read_failure != 0;
    return to_events(waits_for);
}

short resume_step(MYSQL& mysql, StepCall& call, short ready) {
    const auto flags = to_wait_flags(ready);
    int failure = 0;
    my_bool read_failure = 0;
    int waits_for = 0;
    switch (call.step) {
        case Step::switch_packing:
            waits_for = ::mysql_set_server_option_cont(&failure, &mysql, flags);
            break;
        case Step::send: waits_for = ::mysql_send_query_cont(&failure, &mysql, flags); break;
        case Step::read_first:
            waits_for = ::mysql_read_query_result_cont(&read_failure, &mysql, flags);
            break;
        case Step::read_next: waits_for = ::mysql_next_result_cont(&failure, &mysql, flags); break;
        case Step::store: waits_for = ::mysql_store_result_cont(&call.stored, &mysql, flags); break;
    }
    call.has_failed = failure != 0 || read_failure != 0;
    return to_events(waits_for);
}

int socket_of(MYSQL& mysql) {
    return static_cast<int>(::mysql_get_socket(&mysql));
}

std::string literal_of_text(MYSQL& mysql, std::string_view text) {
    std::string to(2 * text.size() + 1, '\0');
    to.resize(::mysql_real_escape_string(&mysql, to.data(), text.data(), text.size()));
    return fmt::format("'{}'", to);
}

std::optional<std::string> connect_string(const ServerAddress& address) {
    // SOCI knows too few parameters of TLS.
    if (!needs_tls(address) && address.ssl_mode != "preferred") {
        return std::nullopt;
    }
    std::string text = "ssl-enforce=1";
    const auto add = [&text](std::string_view key, std::string_view value) {
        if (!value.empty()) {
            text += fmt::format(";{}={}", key, braced(key, value));
        }
    };
    add("host", address.host);
    add("port", address.port == 0 ? std::string{} : std::to_string(address.port));
    add("user", address.user);
    add("password", address.password);
    add("database", address.database);
    add("socket", address.socket);
    add("ssl-ca", address.ssl_ca);
    add("ssl-cert", address.ssl_cert);
    add("ssl-key", address.ssl_key);
    add("ssl-verify-server-cert", address.ssl_mode == "verify-identity" ? "1" : "");
    return text;
}

}  // namespace xa_tm::mysql::client_library
