#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace xa_tm::test {

/// Whose protocol a link speaks: only as far as to know when a request is whole.
enum class Wire { postgresql, mysql };

/// True when these bytes from a client are whole messages and the last one ends a batch that is
/// sent in one go.
[[nodiscard]] bool is_whole_request(Wire wire, std::string_view bytes);
/// True when they begin a batch whose end is still to come: xa end or the read-only probe without
/// the prepare.
[[nodiscard]] bool is_begun_batch(Wire wire, std::string_view bytes);

/// Stands between a transaction manager and its servers on loopback TCP, to be a slow network, to
/// count what waits for it and to lose replies.
///
/// Ownership: owns its sockets and its thread.
/// Thread safety: all members may be called from several threads at once.
class WireProxy {
public:
    struct Upstream {
        Wire wire;
        std::uint16_t port;
    };

    explicit WireProxy(std::vector<Upstream> upstreams);
    WireProxy(const WireProxy&) = delete;
    WireProxy& operator=(const WireProxy&) = delete;
    ~WireProxy();

    /// Where to connect instead of the upstream with this index.
    [[nodiscard]] std::uint16_t port(std::size_t upstream) const;

    /// From now on bytes take half of this in each direction.
    void set_round_trip(std::chrono::microseconds time);
    /// How often a client of this upstream has sent something after it had been answered, since the
    /// proxy was made: requests that are sent before an answer has come are one trip.
    [[nodiscard]] std::size_t trips(std::size_t upstream) const;

    /// From now on no answer is let through before `clients` of the connections wait for one: then
    /// all pass and count as one wait. Who sends to one, waits for it and only then sends to the
    /// next, waits for ever.
    void hold_until_waiting(std::size_t clients);
    /// Lets everything through again; gives the number of waits since hold_until_waiting().
    std::size_t stop_holding();

    /// The next request to this upstream that contains `text` reaches it, but its answer never
    /// arrives: the client's connection is cut, the server's stays open until it has answered.
    void lose_reply_to(std::size_t upstream, std::string text);
    /// True once that reply has been lost and the server has answered.
    [[nodiscard]] bool is_reply_lost() const;
    /// Nothing reaches this upstream any more: existing connections are cut, new ones closed at
    /// once.
    void cut_off(std::size_t upstream);
    /// The same from the next request on that contains `text`, which does not reach it.
    void cut_off_at_request(std::size_t upstream, std::string text);
    /// New connections to this upstream are let through again.
    void restore(std::size_t upstream);

private:
    struct Listener {
        Upstream upstream;
        int descriptor;
        std::uint16_t port;
        bool is_cut_off = false;
        std::size_t trips = 0;
    };
    using Clock = std::chrono::steady_clock;
    /// Bytes on their way to one side of a link.
    struct Delayed {
        Clock::time_point due;
        int socket;
        std::string bytes;
        bool is_answer;
    };
    /// What is to be lost next.
    struct Loss {
        std::size_t upstream;
        std::string text;
        bool is_cut_off_then;  ///< else only the reply is lost
    };
    struct Link {
        std::size_t upstream;
        int client;
        int server;
        std::string request;  ///< since the last answer
        std::string held;     ///< answer that is not let through yet
        std::deque<Delayed> on_the_way = {};
        bool is_answered = true;  ///< the client has got something since it last sent
        bool is_waiting = false;
        bool is_losing = false;
    };

    void run();
    void accept_on(std::size_t upstream);
    [[nodiscard]] bool is_to_be_lost(const Link& link) const;
    [[nodiscard]] bool forward_request(Link& link);
    [[nodiscard]] bool forward_answer(Link& link);
    void carry(Link& link, int socket, const std::string& bytes, bool is_answer);
    void deliver_what_is_due();
    [[nodiscard]] Clock::duration time_to_next_delivery() const;
    void release_if_all_wait();
    void close_links_that_are_cut_off();
    void close_link(std::list<Link>::iterator link);

    std::vector<Listener> listeners_;
    std::list<Link> links_;
    mutable std::mutex mutex_;
    Clock::duration one_way_{};
    std::size_t hold_for_ = 0;
    std::size_t waits_ = 0;
    std::optional<Loss> loss_;
    bool is_reply_lost_ = false;
    bool is_stopping_ = false;
    int wake_;
    std::thread thread_;
};

/// The port in a URI such as sandbox::tcp_uri() gives.
[[nodiscard]] std::uint16_t port_of(const std::string& uri);
/// The same URI with another port.
[[nodiscard]] std::string with_port(const std::string& uri, std::uint16_t port);

}  // namespace xa_tm::test
