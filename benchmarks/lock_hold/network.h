#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "request_verbs.h"

namespace xa_tm::bench {

/// A request that has come from a client, or the beginning of its answer that has reached it.
struct Passage {
    std::chrono::steady_clock::time_point time;
    std::size_t link;  ///< the connection
    std::size_t upstream;
    bool is_request;
    Verbs verbs;  ///< of a request
    /// How many requests, this one included, have been sent one after the answer of the other; an
    /// answer has its request's.
    std::uint64_t depth;
};

/// Stands between one contender and its servers on TCP, to be a slow network and to count what
/// passes. One without delay still costs some microseconds a trip.
///
/// Ownership: owns its sockets and its thread.
/// Thread safety: all members may be called from several threads at once.
class Network {
public:
    struct Upstream {
        Kind kind;
        std::string host;
        std::uint16_t port;
    };
    struct Counts {
        /// Requests that followed an answer on the same connection: what is sent before the answer
        /// has come is one trip.
        std::uint64_t trips = 0;
        /// The longest chain of requests, each sent after the answer to the one before it on any
        /// connection. With one thread this is how often it has waited.
        std::uint64_t waits = 0;
    };

    /// Bytes take half of the round trip in each direction. Throws std::system_error.
    Network(std::vector<Upstream> upstreams, std::chrono::microseconds round_trip);
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;
    ~Network();

    /// Where to connect on 127.0.0.1 instead of the upstream with this index.
    [[nodiscard]] std::uint16_t port(std::size_t upstream) const;
    [[nodiscard]] Counts counts() const;
    /// From now on passages are kept.
    void watch();
    /// No longer; gives those since watch(), in the order of time.
    [[nodiscard]] std::vector<Passage> stop_watching();

private:
    using Clock = std::chrono::steady_clock;
    struct Listener {
        Upstream upstream;
        int descriptor;
        std::uint16_t port;
    };
    struct Link {
        std::size_t number;
        std::size_t upstream;
        int client;
        int server;
        RequestReader reader;
        bool is_answered = true;
        std::uint64_t depth = 0;
    };
    /// Bytes on their way to one side of a link; none for the end of the stream.
    struct Delayed {
        Clock::time_point due;
        Link* link;
        bool is_answer;
        std::string bytes;
    };

    void run();
    void accept_on(std::size_t upstream);
    void receive(Link& link, bool is_answer);
    void note_request(Link& link, std::string_view bytes, Clock::time_point now);
    void deliver_what_is_due();
    void deliver(const Delayed& delayed);
    void add_to_epoll(int descriptor, std::uint64_t tag) const;

    std::vector<Listener> listeners_;
    std::vector<std::unique_ptr<Link>> links_;
    std::deque<Delayed> on_the_way_;  ///< all take the same time, so the first is due first
    const Clock::duration one_way_;
    mutable std::mutex mutex_;
    Counts counts_;
    bool is_watching_ = false;
    std::vector<Passage> passages_;
    int epoll_;
    int stop_;
    std::thread thread_;
};

}  // namespace xa_tm::bench
