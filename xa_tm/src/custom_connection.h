#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "xa_tm/batched_connection.h"
#include "xa_tm/custom_resource.h"

namespace xa_tm {

/// A session with a CustomResource. Its callbacks are the verbs, so every answer is there when
/// send() returns.
///
/// Ownership: borrows the resource; owns the work of the branch that is open.
/// Thread safety: one thread at a time.
class CustomConnection final : public BatchedConnection {
public:
    /// Throws what CustomResource::identity() throws.
    CustomConnection(std::string name, CustomResource& resource);

    /// The work of the open branch. Throws Error (invalid_state) when none is open.
    [[nodiscard]] CustomWork& work() const;

    [[nodiscard]] std::string server_identity() const override { return identity_; }
    [[nodiscard]] bool is_reusable() const noexcept override { return is_at_rest(); }

private:
    [[nodiscard]] bool take_back() noexcept override { return true; }
    [[nodiscard]] std::optional<Answer> answer_at_once() override;
    [[nodiscard]] bool may_share_trip(const Request& request) const override;
    [[nodiscard]] std::size_t carry() override;
    [[nodiscard]] bool take_replies() override { return false; }
    [[nodiscard]] std::optional<Readiness> session_readiness() const noexcept override;
    void disconnect() noexcept override { undo(); }

    [[nodiscard]] Answer carry_out(const Request& request);
    [[nodiscard]] Answer start(const Xid& xid);
    [[nodiscard]] Answer execute(const Request& request);
    [[nodiscard]] Answer prepare();
    [[nodiscard]] Answer commit_one_phase(const Xid& xid);
    [[nodiscard]] Answer finish(const Request& request);
    [[nodiscard]] Answer list();
    [[nodiscard]] Answer locate(const Xid& xid);
    [[nodiscard]] Answer examine(const Xid& xid);
    void undo() noexcept;

    CustomResource& resource_;
    std::string identity_;
    /// There while a branch is open.
    std::unique_ptr<CustomWork> work_;
};

}  // namespace xa_tm
