#pragma once

#include <chrono>
#include <cstdint>
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

    friend bool operator==(const ServerAddress&, const ServerAddress&) = default;
};

/// Reads mysql://user:password@host:port/database?socket=/path&charset=name, or mariadb://…, where
/// every part is percent-decoded. "localhost" with a port means TCP, which the C client by itself
/// would ignore. Throws std::invalid_argument, whose text holds no part of user or password.
[[nodiscard]] ServerAddress parse_uri(std::string_view uri);

/// The same as SOCI's MySQL back end wants it.
[[nodiscard]] std::string soci_connect_string(const ServerAddress& address,
                                              std::chrono::seconds connect_timeout);

}  // namespace xa_tm::mysql
