// Invariants:
// - listeners_ is fixed after construction; links_ and on_the_way_ belong to the thread, and a link
// lives as long as the network, so that what is on its way may point to it;
// - counts_, is_watching_, passages_ are read and written under mutex_.

#include "network.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xa_tm::bench {
namespace {

/// What epoll gives back: an index, and what it is the index of.
enum class Tag : std::uint64_t { listener, client, server, stop };

constexpr std::uint64_t tag_of(Tag tag, std::size_t index) noexcept {
    return static_cast<std::uint64_t>(index) << 2 | static_cast<std::uint64_t>(tag);
}

int checked(int result, const char* what) {
    if (result < 0) {
        throw std::system_error(errno, std::generic_category(), what);
    }
    return result;
}

void set_no_delay(int socket) {
    const int on = 1;
    checked(::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
}

int listen_on_any_port(std::uint16_t& port) {
    const int descriptor = checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    checked(::bind(descriptor, generic, size), "bind");
    checked(::listen(descriptor, 1024), "listen");
    checked(::getsockname(descriptor, generic, &size), "getsockname");
    port = ntohs(address.sin_port);
    return descriptor;
}

/// -1 when nobody answers there.
int connect_to(const Network::Upstream& upstream) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const auto port = std::to_string(upstream.port);
    if (::getaddrinfo(upstream.host.c_str(), port.c_str(), &hints, &found) != 0) {
        return -1;
    }
    int connected = -1;
    for (const auto* each = found; each != nullptr && connected < 0; each = each->ai_next) {
        const int descriptor = ::socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (descriptor >= 0 && ::connect(descriptor, each->ai_addr, each->ai_addrlen) == 0) {
            connected = descriptor;
        } else if (descriptor >= 0) {
            ::close(descriptor);
        }
    }
    ::freeaddrinfo(found);
    return connected;
}

void send_all(int socket, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0) {
            return;  // the other side is gone: its own end of the link will say so
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

}  // namespace

Network::Network(std::vector<Upstream> upstreams, std::chrono::microseconds round_trip)
    : one_way_{round_trip / 2},
      epoll_{checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")},
      stop_{checked(::eventfd(0, EFD_CLOEXEC), "eventfd")} {
    add_to_epoll(stop_, tag_of(Tag::stop, 0));
    for (auto& upstream : upstreams) {
        std::uint16_t port = 0;
        const int descriptor = listen_on_any_port(port);
        add_to_epoll(descriptor, tag_of(Tag::listener, listeners_.size()));
        listeners_.push_back({std::move(upstream), descriptor, port});
    }
    thread_ = std::thread{[this] { run(); }};
}

Network::~Network() {
    ::eventfd_write(stop_, 1);
    thread_.join();
    for (const auto& link : links_) {
        ::close(link->client);
        ::close(link->server);
    }
    for (const auto& listener : listeners_) {
        ::close(listener.descriptor);
    }
    ::close(stop_);
    ::close(epoll_);
}

std::uint16_t Network::port(std::size_t upstream) const {
    return listeners_.at(upstream).port;
}

Network::Counts Network::counts() const {
    const std::scoped_lock lock{mutex_};
    return counts_;
}

void Network::watch() {
    const std::scoped_lock lock{mutex_};
    is_watching_ = true;
}

std::vector<Passage> Network::stop_watching() {
    const std::scoped_lock lock{mutex_};
    is_watching_ = false;
    return std::exchange(passages_, {});
}

void Network::add_to_epoll(int descriptor, std::uint64_t tag) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = tag;
    checked(::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event), "epoll_ctl");
}

void Network::run() {
    // A thread's timers are otherwise up to 50 us late, PR_SET_TIMERSLACK in prctl(2).
    ::prctl(PR_SET_TIMERSLACK, 1UL);
    std::array<epoll_event, 64> events;
    for (;;) {
        std::optional<timespec> timeout;
        if (!on_the_way_.empty()) {
            const auto left =
                std::max(on_the_way_.front().due - Clock::now(), Clock::duration::zero());
            timeout = {.tv_sec = std::chrono::floor<std::chrono::seconds>(left).count(),
                       .tv_nsec = (left % std::chrono::seconds{1}).count()};
        }
        const int count = ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()),
                                         timeout ? &*timeout : nullptr, nullptr);
        if (count < 0 && errno != EINTR) {
            checked(count, "epoll_pwait2");
        }
        for (int i = 0; i < count; ++i) {
            const auto data = events[static_cast<std::size_t>(i)].data.u64;
            const auto index = static_cast<std::size_t>(data >> 2);
            switch (static_cast<Tag>(data & 3)) {
                case Tag::listener: accept_on(index); break;
                case Tag::client: receive(*links_[index], false); break;
                case Tag::server: receive(*links_[index], true); break;
                case Tag::stop: return;
            }
        }
        deliver_what_is_due();
    }
}

void Network::accept_on(std::size_t upstream) {
    const auto& listener = listeners_[upstream];
    const int client = ::accept4(listener.descriptor, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) {
        return;  // it has gone again
    }
    const int server = connect_to(listener.upstream);
    if (server < 0) {
        ::close(client);
        return;
    }
    set_no_delay(client);
    set_no_delay(server);
    const auto number = links_.size();
    links_.push_back(std::make_unique<Link>(Link{.number = number,
                                                 .upstream = upstream,
                                                 .client = client,
                                                 .server = server,
                                                 .reader = RequestReader{listener.upstream.kind}}));
    add_to_epoll(client, tag_of(Tag::client, number));
    add_to_epoll(server, tag_of(Tag::server, number));
}

void Network::receive(Link& link, bool is_answer) {
    std::array<char, 65536> buffer;
    const int from = is_answer ? link.server : link.client;
    const auto received = ::recv(from, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (received <= 0) {
        ::epoll_ctl(epoll_, EPOLL_CTL_DEL, from, nullptr);
    }
    const auto now = Clock::now();
    std::string bytes(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(received, 0)));
    if (!is_answer && !bytes.empty()) {
        note_request(link, bytes, now);
    }
    on_the_way_.push_back({now + one_way_, &link, is_answer, std::move(bytes)});
}

void Network::note_request(Link& link, std::string_view bytes, Clock::time_point now) {
    const auto verbs = link.reader.read(bytes);
    const std::scoped_lock lock{mutex_};
    if (std::exchange(link.is_answered, false)) {
        ++counts_.trips;
        link.depth = counts_.waits + 1;
    }
    if (is_watching_) {
        passages_.push_back({now, link.number, link.upstream, true, verbs, link.depth});
    }
}

void Network::deliver_what_is_due() {
    while (!on_the_way_.empty() && on_the_way_.front().due <= Clock::now()) {
        deliver(on_the_way_.front());
        on_the_way_.pop_front();
    }
}

void Network::deliver(const Delayed& delayed) {
    auto& link = *delayed.link;
    const int to = delayed.is_answer ? link.client : link.server;
    if (delayed.bytes.empty()) {
        ::shutdown(to, SHUT_WR);
        return;
    }
    if (delayed.is_answer) {
        // Before it is sent, because the client's next request must find it counted.
        const std::scoped_lock lock{mutex_};
        if (!std::exchange(link.is_answered, true)) {
            counts_.waits = std::max(counts_.waits, link.depth);
            if (is_watching_) {
                passages_.push_back(
                    {Clock::now(), link.number, link.upstream, false, {}, link.depth});
            }
        }
    }
    send_all(to, delayed.bytes);
}

}  // namespace xa_tm::bench
