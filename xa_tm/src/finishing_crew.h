#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gather.h"
#include "interrupt.h"
#include "xa_tm/connection.h"

namespace xa_tm {

/// A few connections to one resource that carry out many independent requests side by side, on the
/// caller's thread: as soon as one is answered its connection is given the next.
///
/// Ownership: owns the connections that it opens; borrows the first one and the interrupt.
/// Thread safety: one thread at a time.
class FinishingCrew {
public:
    /// More would take connections away from the application.
    static constexpr std::size_t kConnectionsMax = 4;
    /// So many requests are worth a further connection.
    static constexpr std::size_t kRequestsPerConnection = 8;

    struct Job {
        std::size_t key;
        Request request;
    };
    /// The next job; nothing when there is none left.
    using Next = std::function<std::optional<Job>()>;
    using Take = std::function<void(std::size_t key, Answer answer)>;
    /// Opens a further connection to the same server. May throw Error.
    using Open = std::function<std::unique_ptr<Connection>()>;

    FinishingCrew(Connection& first, Open open, std::chrono::milliseconds answer_timeout,
                  const Interrupt* interrupt)
        : first_{first},
          open_{std::move(open)},
          answer_timeout_{answer_timeout},
          interrupt_{interrupt} {}

    /// Carries out all jobs, `count` of them or fewer. A connection that is lost, or was not
    /// answered in time, ends the work: no further job is begun, and those under way are waited
    /// for. Gives what the lost one was told; nothing when all were carried out.
    [[nodiscard]] std::optional<Answer> run(std::size_t count, const Next& next, const Take& take);

private:
    struct Hand {
        Connection* connection;
        std::size_t key = 0;
    };

    void gather_hands(std::size_t count);
    void give_job(std::size_t hand, Gather& gather, const Next& next);
    [[nodiscard]] Deadline oldest_deadline() const;

    Connection& first_;
    Open open_;
    std::chrono::milliseconds answer_timeout_;
    const Interrupt* interrupt_;
    std::vector<std::unique_ptr<Connection>> further_;
    std::vector<Hand> hands_;
    std::vector<std::optional<Deadline>> deadlines_;  ///< of the hands at work
};

}  // namespace xa_tm
