#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace xa_tm::bench {

/// A connection by the server's C client alone, used as a program without a transaction manager
/// uses it: the floor that ours is measured against.
///
/// Ownership: owns its connection.
/// Thread safety: one thread at a time.
class RawConnection {
public:
    /// A URI of any kind that our datasources take. Throws std::runtime_error.
    [[nodiscard]] static std::unique_ptr<RawConnection> open(const std::string& uri);
    virtual ~RawConnection() = default;
    RawConnection(const RawConnection&) = delete;
    RawConnection& operator=(const RawConnection&) = delete;

    /// Sends statements in one trip and waits for all answers, whose rows it drops. Throws
    /// std::runtime_error when one fails, or was turned into a rollback.
    void send(const std::string& statements) {
        scatter(statements);
        gather();
    }
    /// The first half of send(): waits for nothing.
    virtual void scatter(const std::string& statements) = 0;
    /// The second half. Throws as send().
    virtual void gather() = 0;
    /// Readable once the answers are there.
    [[nodiscard]] virtual int descriptor() const = 0;

    using Row = std::vector<std::string>;
    /// Sends one statement that gives rows, and waits for all of them; NULL is an empty string.
    /// Throws std::runtime_error when it fails.
    [[nodiscard]] virtual std::vector<Row> query(const std::string& statement) = 0;

protected:
    RawConnection() = default;
};

/// Waits with one poll for the answers to what each connection was sent by scatter(). Throws
/// std::runtime_error for the first that fails; others are not gathered then.
void gather_all(std::span<const std::unique_ptr<RawConnection>> connections);

}  // namespace xa_tm::bench
