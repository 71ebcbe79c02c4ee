#include "bound_arguments.h"

#include <cmath>

#include <fmt/format.h>

namespace xa_tm::postgres {
namespace {

constexpr Oid kInferred = 0;
constexpr Oid kBytea = 17;
constexpr int kText = 0;
constexpr int kBinary = 1;

/// Such as true, -1 or 1e-300, which means the same number again.
std::string text_of(auto number) {
    return fmt::format("{}", number);
}
std::string text_of(double number) {
    return std::isnan(number) ? "NaN" : fmt::format("{}", number);  // it has no sign there
}

}  // namespace

BoundArguments::BoundArguments(const std::vector<Value>& arguments) {
    texts_.reserve(arguments.size());  // so that none moves
    for (const auto& argument : arguments) {
        std::visit([this](const auto& value) { add(value); }, argument);
    }
}

void BoundArguments::add(std::nullptr_t) {
    add(nullptr, kInferred, 0, kText);
}

void BoundArguments::add(const std::string& text) {
    add(text.c_str(), kInferred, 0, kText);
}

void BoundArguments::add(const Bytes& bytes) {
    add(bytes.data.data(), kBytea, static_cast<int>(bytes.data.size()), kBinary);
}

void BoundArguments::add(auto number) {
    add(texts_.emplace_back(text_of(number)).c_str(), kInferred, 0, kText);
}

void BoundArguments::add(const char* value, Oid type, int size, int format) {
    values_.push_back(value);
    types_.push_back(type);
    sizes_.push_back(size);
    formats_.push_back(format);
}

bool BoundArguments::send(PGconn* conn, const std::string& statement) const noexcept {
    return PQsendQueryParams(conn, statement.c_str(), static_cast<int>(values_.size()),
                             types_.data(), values_.data(), sizes_.data(), formats_.data(), 0) == 1;
}

}  // namespace xa_tm::postgres
