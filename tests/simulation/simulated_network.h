#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "random.h"
#include "simulated_server.h"
#include "virtual_machine.h"
#include "xa_tm/datasource.h"

namespace xa_tm::simulation {

/// One process of an application, as far as others see it: once it is dead, nothing that its code
/// still does reaches anybody.
struct ProcessLife {
    bool is_over = false;
};

/// How often something goes wrong, in parts of 100000 messages.
struct NetworkFaults {
    std::uint32_t cuts_before = 0;  ///< the connection breaks, and the request is lost
    std::uint32_t cuts_after = 0;   ///< it is carried out, and the answer is lost
    std::uint32_t stalls = 0;       ///< it arrives late, up to long after the client gave up
    std::uint32_t slow_verbs = 0;   ///< the server is long at it
    std::uint32_t silent_ends = 0;  ///< a server ends a session, and its client hears nothing
    std::uint32_t refusals = 0;     ///< a new connection is refused
};

/// A deliberate fault of the driver: what a broken one would do.
enum class DriverFault {
    none,
    takes_nota_for_finished,    ///< unknown xid, in answer to a commit, counts as committed
    takes_retry_for_finished,   ///< so does a branch that another session still holds
    ends_no_session,            ///< says that sessions have ended without ending them
    rolls_back_decided,         ///< sends a rollback in the place of one commit in a hundred
    goes_back_to_no_savepoint,  ///< says that it has, and leaves the work behind it as it is
    lists_rows_of_last_pass,    ///< lists the decision rows as they were when it was asked last
};

/// What all connections of one datasource share.
struct DriverState {
    DriverFault fault = DriverFault::none;
    /// What lists_rows_of_last_pass answers next.
    std::vector<DecisionRow> rows_before = {};
};

/// The network between the processes and the servers: a connection keeps the order of its messages,
/// and nothing else is kept: delays differ, so what goes over two connections arrives in any order.
///
/// Ownership: borrows the machine and the random numbers.
/// Thread safety: one thread.
class SimulatedNetwork {
public:
    SimulatedNetwork(VirtualMachine& machine, Random& random)
        : machine_{machine}, random_{random} {}

    [[nodiscard]] VirtualMachine& machine() const noexcept { return machine_; }
    [[nodiscard]] Random& random() const noexcept { return random_; }
    [[nodiscard]] const NetworkFaults& faults() const noexcept { return faults_; }
    void set_faults(const NetworkFaults& faults) noexcept { faults_ = faults; }

    [[nodiscard]] bool strikes(std::uint32_t parts) {
        return parts > 0 && random_.chance(parts, 100'000);
    }
    /// One way of one message.
    [[nodiscard]] VirtualMachine::Duration delay();
    /// How long a server needs to notice that a client is gone without a word.
    [[nodiscard]] VirtualMachine::Duration time_to_notice();

private:
    VirtualMachine& machine_;
    Random& random_;
    NetworkFaults faults_;
};

/// Everything that was said over connections, for a trace and for the digest of a run.
class TrafficListener {
public:
    TrafficListener() = default;
    TrafficListener(const TrafficListener&) = delete;
    TrafficListener& operator=(const TrafficListener&) = delete;
    virtual ~TrafficListener() = default;

    enum class Event { sent, carried_out, lost, answered, cut, closed };
    virtual void heard(Event event, const SimulatedServer& server, std::uint64_t session,
                       const Request& request, const Answer* answer) = 0;
    /// What happens to a transaction elsewhere: in the log, and in the application.
    virtual void noted(const std::string& gtrid, std::string_view words) = 0;
};

/// What both ends of a connection share, and what is on its way between them.
class Wire;

/// A simulated server as a datasource of one process.
///
/// Ownership: borrows the network and the server; keeps the process's life.
/// Thread safety: one thread.
class SimulatedDatasource final : public Datasource {
public:
    SimulatedDatasource(SimulatedNetwork& network, SimulatedServer& server,
                        std::shared_ptr<const ProcessLife> life, TrafficListener* listener,
                        DriverState driver = {}, bool is_last_resource = false)
        : Datasource{server.name(),
                     {.statement_timeout = kStatementTimeout,
                      .is_last_resource = is_last_resource}},
          network_{network},
          server_{server},
          life_{std::move(life)},
          listener_{listener},
          driver_{std::make_shared<DriverState>(std::move(driver))} {}

    [[nodiscard]] std::string_view kind() const noexcept override {
        return to_string(server_.kind());
    }
    [[nodiscard]] bool has_savepoints() const noexcept override { return true; }
    [[nodiscard]] std::unique_ptr<Connection> connect(const SessionMark& mark) override;
    void set_up_decision_table() override { server_.set_up_decision_table(); }
    [[nodiscard]] SimulatedServer& server() const noexcept { return server_; }
    /// The process dies: the system closes its connections, and what was sent still arrives.
    void close_all();

private:
    /// Without one, a statement whose connection is silently gone is waited for without end.
    static constexpr std::chrono::milliseconds kStatementTimeout{300};

    SimulatedNetwork& network_;
    SimulatedServer& server_;
    std::shared_ptr<const ProcessLife> life_;
    TrafficListener* listener_;
    std::shared_ptr<DriverState> driver_;
    std::vector<std::weak_ptr<Wire>> wires_;
};

/// The client's end.
///
/// Ownership: shares the wire with what is on its way.
/// Thread safety: one thread.
class SimulatedConnection final : public Connection {
public:
    explicit SimulatedConnection(std::shared_ptr<Wire> wire) : wire_{std::move(wire)} {}
    ~SimulatedConnection() override;

    using Connection::send;
    void send(std::vector<Request> batch) noexcept override;
    [[nodiscard]] std::optional<Answer> receive() noexcept override;
    [[nodiscard]] Readiness readiness() const noexcept override;
    void close() noexcept override;
    [[nodiscard]] SessionId session_id() const override;
    [[nodiscard]] std::string server_identity() const override;
    [[nodiscard]] bool is_reusable() const noexcept override;
    [[nodiscard]] bool is_open_to_application() const noexcept override;

    /// For tests, which work in the session behind the protocol's back.
    [[nodiscard]] ServerSession& session() const;

private:
    std::shared_ptr<Wire> wire_;
};

}  // namespace xa_tm::simulation
