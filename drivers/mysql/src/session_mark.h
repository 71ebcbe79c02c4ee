#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "xa_tm/connection.h"

namespace xa_tm::mysql {

// A session holds two named locks for as long as it lives. By the one, whose name is made of its
// mark and its number, everybody can find the sessions of a process. The other one is the session's
// own: a server that was restarted counts its sessions from 1 again, so a younger session may have
// the first name of one that is lost, never the second.

/// The name of the lock that a session with this mark holds for as long as it lives, up to the
/// session's number that follows: "MARK/". A mark that is too long for MySQL's names of 64 bytes is
/// cut, and ends with a checksum of the whole.
[[nodiscard]] std::string lock_prefix(std::string_view mark);
[[nodiscard]] std::string lock_name(std::string_view mark, std::uint64_t session_number);
/// One that no other session has, whatever its process and its server.
[[nodiscard]] std::string unique_lock_name();
/// 32 hexadecimal digits that nobody can know before.
[[nodiscard]] std::string random_digits();

/// What SessionId::since is made of.
struct SessionOrigin {
    std::string server_started;  ///< ServerFacts::started()
    std::string own_lock;        ///< or empty, of a session without a mark

    [[nodiscard]] static SessionOrigin of(const SessionId& session);
    [[nodiscard]] std::string to_string() const;
};

}  // namespace xa_tm::mysql
