#include "null_resource.h"

namespace xa_tm::bench {
namespace {

class NullConnection final : public Connection {
public:
    void send(std::vector<Request> batch) noexcept override { outstanding_ = batch.size(); }
    [[nodiscard]] std::optional<Answer> receive() noexcept override {
        --outstanding_;
        return Answer{};
    }
    /// Not asked for, since no answer has to be waited for.
    [[nodiscard]] Readiness readiness() const noexcept override { return {-1, false, false}; }
    [[nodiscard]] bool is_reusable() const noexcept override { return outstanding_ == 0; }
    [[nodiscard]] bool is_open_to_application() const noexcept override { return false; }

private:
    std::size_t outstanding_ = 0;
};

}  // namespace

std::unique_ptr<Connection> NullResource::connect(const SessionMark&) {
    return std::make_unique<NullConnection>();
}

}  // namespace xa_tm::bench
