#pragma once

#include <atomic>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "fake_resource_manager.h"
#include "xa_tm/branch.h"
#include "xa_tm/datasource.h"

namespace xa_tm::test {

/// The datasource of one manager for a fake server that outlives it, as real servers do: what a
/// manager left behind is there for the next one. Tests can watch every verb and make connecting
/// fail.
///
/// Ownership: borrows the server; its connections must not outlive it.
/// Thread safety: all members may be called from several threads at once.
class FakeLink final : public Datasource {
public:
    /// As FakeResourceManager::Work.
    class Branch : public xa_tm::Branch {
    public:
        explicit Branch(const xa_tm::Branch& branch) noexcept : xa_tm::Branch{branch} {}

        void open() const { static_cast<void>(connection()); }
        void write(const std::string& row) const { in_fake().write(row); }
        void fail_statement() const { in_fake().fail_statement(); }
        void lose_deadlock() const { in_fake().lose_deadlock(); }
        void end_session() const { in_fake().end_session(); }

    private:
        [[nodiscard]] FakeResourceManager::Work in_fake() const { return branch_of(connection()); }
    };
    /// A connection that somebody opens elsewhere and lends, each time anew.
    struct Lent {
        FakeResourceManager* server;
    };
    [[nodiscard]] std::unique_ptr<xa_tm::Connection> adopt(const Lent& lent,
                                                           const SessionMark& mark) {
        return std::make_unique<Connection>(*this, lent.server->connect(mark));
    }
    enum class Event { sending, received, closed };
    using Watch = std::function<void(Event event, Verb verb)>;

    FakeLink(std::string name, FakeResourceManager& server, DatasourceOptions options = {})
        : Datasource{std::move(name), options}, server_{server} {}

    [[nodiscard]] std::string_view kind() const noexcept override { return "fake"; }
    [[nodiscard]] bool has_savepoints() const noexcept override { return server_.has_savepoints(); }

    [[nodiscard]] std::unique_ptr<xa_tm::Connection> connect(const SessionMark& mark) override {
        {
            const std::scoped_lock lock{mutex_};
            if (connect_failure_) {
                std::rethrow_exception(connect_failure_);
            }
        }
        return std::make_unique<Connection>(*this, server_.connect(mark));
    }

    [[nodiscard]] static FakeResourceManager::Work branch_of(xa_tm::Connection& connection) {
        return FakeResourceManager::branch_of(static_cast<Connection&>(connection).inner());
    }

    /// Called before each verb is sent, after its answer, and when a connection is closed early; by
    /// one thread at a time, and no more after another watch is set. It does not use this link.
    void watch(Watch watch) {
        const std::scoped_lock lock{mutex_};
        watch_ = std::move(watch);
    }
    /// Before any is open: session_id() names none, as behind a connection pooler.
    void hide_sessions() { hides_sessions_ = true; }
    /// From now on idle connections look as if their server had closed them.
    void hang_up() { is_silent_ = false; }
    /// The server that new connections lead to; at first it has no name.
    void name_server(std::string identity) {
        const std::scoped_lock lock{mutex_};
        identity_ = std::move(identity);
    }
    /// Every connect() throws this from now on; none does when null.
    void fail_to_connect(std::exception_ptr failure) {
        const std::scoped_lock lock{mutex_};
        connect_failure_ = std::move(failure);
    }

private:
    class Connection final : public xa_tm::Connection {
    public:
        Connection(FakeLink& link, std::unique_ptr<xa_tm::Connection> inner)
            : link_{link}, inner_{std::move(inner)} {}

        [[nodiscard]] xa_tm::Connection& inner() noexcept { return *inner_; }

        using xa_tm::Connection::send;
        void send(std::vector<Request> batch) noexcept override {
            outstanding_.clear();
            for (const auto& request : batch) {
                outstanding_.push_back(request.verb);
                verb_ = request.verb;
                link_.tell(Event::sending, request.verb);
            }
            inner_->send(std::move(batch));
        }
        std::optional<Answer> receive() noexcept override {
            auto answer = inner_->receive();
            if (answer) {
                verb_ = outstanding_.front();
                link_.tell(Event::received, verb_);
                outstanding_.pop_front();
            }
            return answer;
        }
        [[nodiscard]] SessionId session_id() const override {
            return link_.hides_sessions_ ? SessionId{} : inner_->session_id();
        }
        Readiness readiness() const noexcept override { return inner_->readiness(); }
        void close() noexcept override {
            FakeResourceManager::branch_of(*inner_).end_session();
            link_.tell(Event::closed, verb_);
        }
        [[nodiscard]] std::string server_identity() const override {
            const std::scoped_lock lock{link_.mutex_};
            return link_.identity_;
        }
        bool is_silent() const noexcept override { return link_.is_silent_; }
        bool is_reusable() const noexcept override { return inner_->is_reusable(); }
        bool is_open_to_application() const noexcept override {
            return inner_->is_open_to_application();
        }

    private:
        FakeLink& link_;
        std::unique_ptr<xa_tm::Connection> inner_;
        std::deque<Verb> outstanding_;
        Verb verb_ = Verb::start;
    };

    void tell(Event event, Verb verb) {
        const std::scoped_lock lock{mutex_};
        if (watch_) {
            watch_(event, verb);
        }
    }

    FakeResourceManager& server_;
    std::mutex mutex_;
    Watch watch_;
    std::string identity_;
    std::atomic<bool> is_silent_ = true;
    std::exception_ptr connect_failure_;
    bool hides_sessions_ = false;
};

}  // namespace xa_tm::test
