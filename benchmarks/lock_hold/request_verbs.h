#pragma once

#include <map>
#include <string>
#include <string_view>

#include "resource.h"

namespace xa_tm::bench {

/// What a client asks for in one or more requests.
struct Verbs {
    bool update = false;
    bool end = false;  ///< XA END, or the PREPARE TRANSACTION that is PostgreSQL's end too
    bool prepare = false;
    bool commit = false;  ///< of any kind

    Verbs& operator|=(const Verbs& other) noexcept;
    friend bool operator==(const Verbs&, const Verbs&) = default;
};

/// Reads the bytes of one connection's client for the verbs in them, in SQL text and, where it is
/// sent once and then only its name, by that name. Bytes of a message that is cut in two are passed
/// over.
///
/// Ownership: a value.
/// Thread safety: one thread at a time.
class RequestReader {
public:
    explicit RequestReader(Kind kind) : kind_{kind} {}
    [[nodiscard]] Verbs read(std::string_view bytes);

private:
    [[nodiscard]] Verbs read_postgres(std::string_view bytes);
    [[nodiscard]] static Verbs read_mysql(std::string_view bytes);

    Kind kind_;
    std::map<std::string, Verbs, std::less<>> prepared_;  ///< by the statement's name
};

}  // namespace xa_tm::bench
