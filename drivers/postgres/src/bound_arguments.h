#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <libpq-fe.h>

#include "xa_tm/value.h"

namespace xa_tm::postgres {

/// The arguments of one statement, as the protocol takes them beside its text, so that nothing in
/// them can be a part of it. They have no type but what the statement gives them, so that a number
/// fits a column of any type of numbers; only bytes are a bytea.
///
/// Ownership: owns the texts of numbers, borrows text and bytes.
/// Thread safety: one thread at a time.
class BoundArguments {
public:
    explicit BoundArguments(const std::vector<Value>& arguments);
    // Values point into texts_.
    BoundArguments(const BoundArguments&) = delete;
    BoundArguments& operator=(const BoundArguments&) = delete;

    /// As PQsendQueryParams(). False when libpq could not take it.
    [[nodiscard]] bool send(PGconn* conn, const std::string& statement) const noexcept;

private:
    void add(std::nullptr_t);
    void add(const std::string& text);
    void add(const Bytes& bytes);
    void add(auto number);
    void add(const char* value, Oid type, int size, int format);

    std::vector<std::string> texts_;
    std::vector<const char*> values_;  ///< null is NULL
    std::vector<Oid> types_;
    std::vector<int> sizes_;  ///< of binary ones; a text ends by itself
    std::vector<int> formats_;
};

}  // namespace xa_tm::postgres
