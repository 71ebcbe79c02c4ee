// Invariants of a wire:
// - requests_ holds what is on its way to the server or being carried out, in order;
// - nothing passes once is_cut_; what the client has not been answered by then it is told is lost,
//   or never told anything;
// - the server's session ends once: when it notices that the client is gone, or by itself.

#include "simulated_network.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "crash_points.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm::simulation {
namespace {

using namespace std::chrono_literals;
using Duration = VirtualMachine::Duration;
using Event = TrafficListener::Event;

Answer lost() {
    return {.code = XaCode::rmfail, .message = "the connection is lost"};
}

}  // namespace

VirtualMachine::Duration SimulatedNetwork::delay() {
    return random_.chance(1, 50) ? random_.between(100us, 5ms) : random_.between(20us, 200us);
}

VirtualMachine::Duration SimulatedNetwork::time_to_notice() {
    switch (random_.below(10)) {
        case 0: return 2h;
        case 1:
        case 2:
        case 3: return random_.between(20ms, 5s);
        default: return random_.between(20us, 20ms);
    }
}

class Wire : public std::enable_shared_from_this<Wire> {
public:
    Wire(SimulatedNetwork& network, SimulatedServer& server, std::shared_ptr<ServerSession> session,
         std::vector<std::string> ended, std::shared_ptr<const ProcessLife> life,
         TrafficListener* listener, std::shared_ptr<DriverState> driver)
        : network_{network},
          server_{server},
          session_{std::move(session)},
          ended_{std::move(ended)},
          life_{std::move(life)},
          listener_{listener},
          driver_{std::move(driver)},
          descriptor_{network.machine().open_descriptor()} {
        session_->on_killed = [this] { killed(); };
    }
    Wire(const Wire&) = delete;
    Wire& operator=(const Wire&) = delete;
    ~Wire() {
        session_->on_killed = nullptr;
        network_.machine().close_descriptor(descriptor_);
    }

    void send(std::vector<Request> batch);
    std::optional<Answer> receive();
    void close();

    [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
    [[nodiscard]] const SimulatedServer& server() const noexcept { return server_; }
    [[nodiscard]] const ServerSession& session() const noexcept { return *session_; }
    [[nodiscard]] ServerSession& session() noexcept { return *session_; }
    [[nodiscard]] bool is_reusable() const noexcept {
        return !is_closed_ && !is_lost_ && outstanding_ == 0 && !is_branch_open_ &&
               !is_prepared_here_;
    }
    [[nodiscard]] bool is_open_to_application() const noexcept {
        return is_branch_open_ && !is_closed_ && !is_lost_ && is_open_;
    }

private:
    struct Message {
        std::vector<Request> batch;
        /// Its answer is lost on the way.
        bool cuts_after = false;
    };

    void tell(Event event, const Request& request, const Answer* answer = nullptr) {
        if (listener_ != nullptr) {
            listener_->heard(event, server_, session_->number, request, answer);
        }
    }
    void arrive();
    void carry_out();
    void deliver(std::vector<Answer> answers);
    void take(std::vector<Answer> answers);
    void lose();
    void cut();
    void killed();
    void notice_end();
    [[nodiscard]] Answer translated(const Request& request, Answer answer) const;
    void follow(const Request& request, const Answer& answer);
    void push(Answer answer);
    [[nodiscard]] Duration until_next(VirtualMachine::Time& last, Duration delay) {
        last = std::max(last, network_.machine().now() + delay);
        return last - network_.machine().now();
    }

    SimulatedNetwork& network_;
    SimulatedServer& server_;
    std::shared_ptr<ServerSession> session_;
    std::vector<std::string> ended_;
    std::shared_ptr<const ProcessLife> life_;
    TrafficListener* listener_;
    std::shared_ptr<DriverState> driver_;
    int descriptor_;
    // The client's end.
    std::vector<Request> asked_;
    std::size_t outstanding_ = 0;
    std::deque<Answer> answers_;
    bool is_closed_ = false;
    bool is_lost_ = false;
    /// As the driver believes.
    bool is_branch_open_ = false;
    bool is_open_ = false;
    bool is_prepared_here_ = false;
    // Between them.
    std::deque<Message> requests_;
    VirtualMachine::Time last_request_{0};
    VirtualMachine::Time last_answer_{0};
    bool is_cut_ = false;
    // The server's end.
    bool is_busy_ = false;
    bool has_client_gone_ = false;
};

void Wire::send(std::vector<Request> batch) {
    XA_TM_CHECK(outstanding_ == 0, "the answers to the batch before have been received");
    if (life_->is_over) {
        return;
    }
    outstanding_ = batch.size();
    asked_ = batch;
    is_open_ = is_open_ && batch.front().verb == Verb::execute;
    if (is_lost_ || is_closed_) {
        lose();
        return;
    }
    for (const auto& request : batch) {
        tell(Event::sent, request);
    }
    if (is_cut_) {
        return;
    }
    const auto& faults = network_.faults();
    if (network_.strikes(faults.cuts_before)) {
        cut();
        return;
    }
    auto delay = network_.delay();
    if (network_.strikes(faults.stalls)) {
        delay += network_.random().between(1ms, 600ms);
    }
    requests_.push_back({std::move(batch), network_.strikes(faults.cuts_after)});
    network_.machine().after(until_next(last_request_, delay),
                             [self = shared_from_this()] { self->arrive(); });
}

void Wire::arrive() {
    if (is_cut_ || session_->state != ServerSession::State::alive) {
        return;
    }
    is_busy_ = true;
    auto work = network_.random().between(5us, 100us);
    if (network_.strikes(network_.faults().slow_verbs)) {
        work = network_.random().between(1ms, 600ms);
    }
    network_.machine().after(work, [self = shared_from_this()] { self->carry_out(); });
}

void Wire::carry_out() {
    if (session_->state != ServerSession::State::alive) {
        return;
    }
    is_busy_ = false;
    auto message = std::move(requests_.front());
    requests_.pop_front();
    std::vector<Answer> answers;
    bool may_go_on = true;
    for (auto& request : message.batch) {
        if (!may_go_on) {
            answers.push_back(not_carried_out());
            continue;
        }
        if (driver_->fault == DriverFault::rolls_back_decided && request.verb == Verb::commit &&
            network_.random().chance(1, 100)) {
            request.verb = Verb::rollback;
        }
        const bool is_end =
            request.verb == Verb::end_session || request.verb == Verb::end_ended_sessions;
        const bool is_way_back = request.statement.starts_with("rollback to savepoint");
        const bool is_ignored =
            (driver_->fault == DriverFault::ends_no_session && is_end) ||
            (driver_->fault == DriverFault::goes_back_to_no_savepoint && is_way_back);
        auto answer = is_ignored ? Answer{} : server_.carry_out(*session_, ended_, request);
        tell(Event::carried_out, request, &answer);
        if (request.verb == Verb::execute && is_rolled_back(answer.code)) {
            // Its driver makes that true: the server has only marked the branch.
            std::ignore =
                server_.carry_out(*session_, {}, {.verb = Verb::rollback, .xid = request.xid});
        }
        answers.push_back(translated(request, std::move(answer)));
        may_go_on = answers.back().code == XaCode::ok;
        if (session_->state != ServerSession::State::alive) {
            return;  // it has ended itself
        }
    }
    if (message.cuts_after) {
        cut();
    } else if (!is_cut_ && !is_closed_) {
        network_.machine().after(until_next(last_answer_, network_.delay()),
                                 [self = shared_from_this(), given = std::move(answers)]() mutable {
                                     self->deliver(std::move(given));
                                 });
    }
    if (has_client_gone_) {
        notice_end();
    }
}

Answer Wire::translated(const Request& request, Answer answer) const {
    const bool finishes = request.verb == Verb::commit || request.verb == Verb::locate;
    if (finishes && driver_->fault == DriverFault::takes_retry_for_finished &&
        answer.code == XaCode::retry) {
        answer.code = request.verb == Verb::commit ? XaCode::ok : XaCode::nota;
    }
    if (request.verb == Verb::commit && driver_->fault == DriverFault::takes_nota_for_finished &&
        (answer.code == XaCode::nota || answer.code == XaCode::retry)) {
        answer.code = XaCode::ok;
    }
    if (request.verb == Verb::list_decisions && answer.code == XaCode::ok &&
        driver_->fault == DriverFault::lists_rows_of_last_pass) {
        answer.decisions.swap(driver_->rows_before);
    }
    return answer;
}

void Wire::deliver(std::vector<Answer> answers) {
    if (!is_cut_ && !is_closed_ && !is_lost_) {
        take(std::move(answers));
    }
}

void Wire::take(std::vector<Answer> answers) {
    XA_TM_CHECK(answers.size() == asked_.size(), "each request has its answer");
    for (std::size_t i = 0; i < answers.size(); ++i) {
        tell(Event::answered, asked_[i], &answers[i]);
        follow(asked_[i], answers[i]);
        push(std::move(answers[i]));
    }
}

/// Keeps what the driver knows of the session.
void Wire::follow(const Request& request, const Answer& answer) {
    const bool is_ok = answer.code == XaCode::ok;
    switch (request.verb) {
        case Verb::start:
            is_branch_open_ = is_branch_open_ || is_ok;
            is_open_ = is_ok;
            break;
        case Verb::execute:
            is_branch_open_ = is_branch_open_ && !is_rolled_back(answer.code);
            is_open_ = is_open_ && is_branch_open_;
            break;
        case Verb::prepare:
        case Verb::commit_one_phase:
        case Verb::commit_with_decision: {
            const bool has_ended =
                is_ok || answer.code == XaCode::rdonly || is_rolled_back(answer.code);
            is_branch_open_ = is_branch_open_ && !has_ended;
            is_open_ = is_open_ && !has_ended && answer.message != not_carried_out().message;
            is_prepared_here_ =
                is_ok && request.verb == Verb::prepare && server_.kind() == ServerKind::mariadb;
            break;
        }
        case Verb::commit:
        case Verb::rollback:
            if (is_ok || answer.code == XaCode::rdonly) {
                is_branch_open_ = false;
                is_prepared_here_ = false;
            }
            break;
        case Verb::recover:
        case Verb::locate:
        case Verb::end_session:
        case Verb::end_ended_sessions:
        case Verb::examine:
        case Verb::list_decisions:
        case Verb::forget_decisions:
        case Verb::list_witnesses:
        case Verb::forget_witnesses: break;
    }
}

void Wire::push(Answer answer) {
    answers_.push_back(std::move(answer));
    network_.machine().set_readable(descriptor_, true);
}

std::optional<Answer> Wire::receive() {
    if (answers_.empty()) {
        return std::nullopt;
    }
    --outstanding_;
    auto answer = std::move(answers_.front());
    answers_.pop_front();
    network_.machine().set_readable(descriptor_, !answers_.empty());
    return answer;
}

/// The client learns that the session is over.
void Wire::lose() {
    if (life_->is_over) {
        return;
    }
    is_lost_ = true;
    while (answers_.size() < outstanding_) {
        const auto& request = asked_[asked_.size() - outstanding_ + answers_.size()];
        tell(Event::lost, request);
        push(lost());
    }
}

/// The link breaks. Each side notices for itself, or not for long.
void Wire::cut() {
    if (std::exchange(is_cut_, true)) {
        return;
    }
    tell(Event::cut, asked_.empty() ? Request{} : asked_.front());
    if (network_.random().chance(7, 10)) {
        network_.machine().after(network_.delay(), [self = shared_from_this()] { self->lose(); });
    }
    network_.machine().after(network_.time_to_notice(),
                             [self = shared_from_this()] { self->notice_end(); });
}

void Wire::killed() {
    if (!is_cut_) {
        is_cut_ = true;
        if (!network_.strikes(network_.faults().silent_ends)) {
            network_.machine().after(network_.delay(),
                                     [self = shared_from_this()] { self->lose(); });
        }
    }
}

/// What was sent before still arrives and is carried out, unless the link is cut.
void Wire::close() {
    if (life_->is_over || std::exchange(is_closed_, true) || is_cut_) {
        return;
    }
    tell(Event::closed, Request{});
    const auto delay =
        network_.strikes(network_.faults().stalls) ? network_.time_to_notice() : network_.delay();
    network_.machine().after(until_next(last_request_, delay), [self = shared_from_this()] {
        self->has_client_gone_ = true;
        if (!self->is_busy_ && self->requests_.empty()) {
            self->notice_end();
        }
    });
}

/// A server that is at work looks up only when it is done.
void Wire::notice_end() {
    if (is_busy_ && session_->state == ServerSession::State::alive) {
        has_client_gone_ = true;
        return;
    }
    if (!requests_.empty() && !is_cut_) {
        return;  // they come first
    }
    server_.end(*session_);
}

std::unique_ptr<Connection> SimulatedDatasource::connect(const SessionMark& mark) {
    end_flow_of_dead_process();
    auto& machine = network_.machine();
    const auto refuse = [this] {
        return Error({.code = ErrorCode::resource_unreachable, .resource = name()},
                     fmt::format("resource {}: no connection", name()));
    };
    machine.sleep(network_.delay() + network_.delay());
    end_flow_of_dead_process();
    if (life_->is_over) {
        throw refuse();
    }
    if (network_.strikes(network_.faults().refusals)) {
        machine.sleep(network_.random().between(1ms, 200ms));
        end_flow_of_dead_process();
        throw refuse();
    }
    auto session = server_.connect(mark.text);
    if (session == nullptr) {
        throw refuse();
    }
    auto wire = std::make_shared<Wire>(network_, server_, std::move(session), mark.ended, life_,
                                       listener_, driver_);
    std::erase_if(wires_, [](const auto& other) { return other.expired(); });
    wires_.push_back(wire);
    return std::make_unique<SimulatedConnection>(std::move(wire));
}

void SimulatedDatasource::close_all() {
    for (const auto& kept : wires_) {
        if (const auto wire = kept.lock()) {
            wire->close();
        }
    }
}

SimulatedConnection::~SimulatedConnection() {
    wire_->close();
}

void SimulatedConnection::send(std::vector<Request> batch) noexcept {
    wire_->send(std::move(batch));
}

std::optional<Answer> SimulatedConnection::receive() noexcept {
    return wire_->receive();
}

Connection::Readiness SimulatedConnection::readiness() const noexcept {
    return {wire_->descriptor(), true, false};
}

void SimulatedConnection::close() noexcept {
    wire_->close();
}

SessionId SimulatedConnection::session_id() const {
    return {.number = wire_->session().number,
            .since = wire_->server().life_name(wire_->session().life)};
}

std::string SimulatedConnection::server_identity() const {
    return wire_->server().identity();
}

bool SimulatedConnection::is_reusable() const noexcept {
    return wire_->is_reusable();
}

bool SimulatedConnection::is_open_to_application() const noexcept {
    return wire_->is_open_to_application();
}

ServerSession& SimulatedConnection::session() const {
    return wire_->session();
}

}  // namespace xa_tm::simulation
