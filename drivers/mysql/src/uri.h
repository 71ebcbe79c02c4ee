#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace xa_tm::mysql {

/// What a URI says of a server; an empty part is left to the C client's default.
struct ServerAddress {
    std::string user = {};
    std::string password = {};
    std::string host = {};
    std::uint16_t port = 0;
    std::string database = {};
    std::string socket = {};
    std::string charset = "utf8mb4";
    /// disabled, preferred, required, verify-ca, verify-identity, or empty.
    std::string ssl_mode = {};
    std::string ssl_ca = {};
    std::string ssl_cert = {};
    std::string ssl_key = {};
    std::string default_file = {};
    std::string default_group = {};

    friend bool operator==(const ServerAddress&, const ServerAddress&) = default;
};

/// Reads mysql://user:password@host:port/database?parameter=value&…, or mariadb://…, where every
/// part is percent-decoded. The parameters are socket, charset, ssl-mode, ssl-ca, ssl-cert,
/// ssl-key, default-file and default-group. "localhost" with a port means TCP, which the C client
/// by itself would ignore. Throws std::invalid_argument, whose text holds no part of user or
/// password.
[[nodiscard]] ServerAddress parse_uri(std::string_view uri);

/// Whether a connection that is not encrypted has to be refused. The C client makes one when the
/// server offers no TLS, whatever it was told.
[[nodiscard]] bool needs_tls(const ServerAddress& address) noexcept;

// What the option file shares with the URI.
[[nodiscard]] std::uint16_t parse_port(std::string_view text);
/// The parts that are text and have a name in option files.
[[nodiscard]] std::span<const std::string_view> part_names() noexcept;
/// Null when there is no such part.
[[nodiscard]] std::string* part_named(ServerAddress& address, std::string_view name) noexcept;

/// The same as SOCI's MySQL back end wants it. Throws std::invalid_argument when the parts
/// contradict one another.
[[nodiscard]] std::string soci_connect_string(const ServerAddress& address,
                                              std::chrono::seconds connect_timeout);

}  // namespace xa_tm::mysql
