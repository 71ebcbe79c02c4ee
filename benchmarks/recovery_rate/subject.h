#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "database.h"
#include "in_doubt.h"

namespace xa_tm::bench {

/// A server of the sandbox with branches that wait for their outcome; each has inserted one row.
///
/// Ownership: the server is the sandbox's, which has to be one that nobody else uses.
/// Thread safety: const members may be called from several threads at once.
class Subject {
public:
    /// Makes the server take so many prepared branches at once.
    Subject(const std::string& server, std::size_t branches);

    [[nodiscard]] const std::string& uri() const noexcept { return uri_; }

    /// By sessions that have ended when this returns.
    void prepare(std::span<const InDoubt> branches);
    /// The statement that ends a branch as it has to.
    [[nodiscard]] std::string end_of(const InDoubt& branch) const;
    /// Throws unless nothing is prepared and exactly the rows of decided branches are there.
    void verify(std::span<const InDoubt> branches);

private:
    [[nodiscard]] std::string literal_of(const Xid& xid) const;
    [[nodiscard]] std::string preparation_of(const InDoubt& branch, std::size_t row) const;
    void prepare_some(std::span<const InDoubt> branches, std::size_t first) const;

    std::string uri_;
    bool is_postgresql_;
    std::unique_ptr<test::Database> database_;
};

}  // namespace xa_tm::bench
