#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "raw_connection.h"

namespace xa_tm::bench {

enum class Kind { postgres, mariadb, mysql };

/// The word for it in workloads and results.
[[nodiscard]] const char* to_text(Kind kind) noexcept;

/// A database that branches are worked in: what the user has said, and what the server says of
/// itself.
struct Resource {
    std::string name;
    std::string uri;
    Kind kind = Kind::postgres;
    std::string host{};
    std::uint16_t port = 0;
    std::string user{};
    std::string password{};
    std::string database{};
    std::string version{};
    unsigned connections_max = 0;

    [[nodiscard]] std::unique_ptr<RawConnection> connect() const {
        return RawConnection::open(uri);
    }
};

/// Reads NAME=URI and asks the server. Throws std::runtime_error, whose text holds no password,
/// when the URI is wrong or names no TCP host, or when the server does not answer.
[[nodiscard]] Resource open_resource(const std::string& name_and_uri);

}  // namespace xa_tm::bench
