// Invariants:
// - listeners_ is fixed after construction; links_ belongs to the thread, and so does everything in
// a link;
// - what the other members share with the thread is read and written under mutex_;
// - a link's answer is held exactly while is_waiting is set.

#include "wire_proxy.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xa_tm::test {
namespace {

constexpr std::string_view kHost = "127.0.0.1:";

std::size_t port_position(const std::string& uri) {
    return uri.find(kHost) + kHost.size();
}

int checked(int result, const char* what) {
    if (result < 0) {
        throw std::system_error(errno, std::generic_category(), what);
    }
    return result;
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

void set_no_delay(int socket) {
    const int on = 1;
    checked(::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
}

/// Nothing happens for a socket that is closed already, -1.
void send_all(int socket, std::string_view bytes) {
    while (socket >= 0 && !bytes.empty()) {
        const auto sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0) {
            return;  // the other side is gone: its own end of the link will say so
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

/// What has arrived; empty at the end of the stream.
std::string receive_some(int socket) {
    std::array<char, 65536> buffer;
    const auto received = ::recv(socket, buffer.data(), buffer.size(), 0);
    return received > 0 ? std::string(buffer.data(), static_cast<std::size_t>(received))
                        : std::string{};
}

std::size_t byte_at(std::string_view bytes, std::size_t index) {
    return static_cast<unsigned char>(bytes[index]);
}

bool is_whole_mysql_request(std::string_view bytes) {
    std::string_view last;
    while (bytes.size() >= 4) {
        const auto length = byte_at(bytes, 0) | byte_at(bytes, 1) << 8 | byte_at(bytes, 2) << 16;
        if (bytes.size() < 4 + length) {
            return false;
        }
        last = bytes.substr(4, length);
        bytes.remove_prefix(4 + length);
    }
    return bytes.empty() && !last.empty();
}

bool is_whole_postgresql_request(std::string_view bytes) {
    char last = '\0';
    while (bytes.size() >= 5) {
        const auto length = byte_at(bytes, 1) << 24 | byte_at(bytes, 2) << 16 |
                            byte_at(bytes, 3) << 8 | byte_at(bytes, 4);
        if (bytes.size() < 1 + length) {
            return false;
        }
        last = bytes[0];
        bytes.remove_prefix(1 + length);
    }
    return bytes.empty() && (last == 'Q' || last == 'S');
}

}  // namespace

bool is_begun_batch(Wire wire, std::string_view bytes) {
    const auto has = [&bytes](std::string_view text) { return bytes.find(text) != bytes.npos; };
    switch (wire) {
        case Wire::postgresql: return false;  // one Sync ends a batch, and is looked for
        case Wire::mysql:
            // xa end is never sent alone: what ends the branch follows in the same trip.
            return has("xa end") && !has("xa prepare") && !has("xa rollback") && !has("xa commit");
    }
    return false;
}

bool is_whole_request(Wire wire, std::string_view bytes) {
    if (is_begun_batch(wire, bytes)) {
        return false;
    }
    switch (wire) {
        case Wire::postgresql: return is_whole_postgresql_request(bytes);
        case Wire::mysql: return is_whole_mysql_request(bytes);
    }
    return false;
}

WireProxy::WireProxy(std::vector<Upstream> upstreams)
    : wake_{checked(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")} {
    for (const auto& upstream : upstreams) {
        const int descriptor = checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
        auto address = loopback(0);
        socklen_t size = sizeof address;
        checked(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size), "bind");
        checked(::listen(descriptor, 64), "listen");
        checked(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size),
                "getsockname");
        listeners_.push_back({upstream, descriptor, ntohs(address.sin_port)});
    }
    thread_ = std::thread{[this] { run(); }};
}

WireProxy::~WireProxy() {
    {
        const std::scoped_lock lock{mutex_};
        is_stopping_ = true;
    }
    ::eventfd_write(wake_, 1);
    thread_.join();
    while (!links_.empty()) {
        close_link(links_.begin());
    }
    for (const auto& listener : listeners_) {
        ::close(listener.descriptor);
    }
    ::close(wake_);
}

std::uint16_t WireProxy::port(std::size_t upstream) const {
    return listeners_.at(upstream).port;
}

void WireProxy::set_round_trip(std::chrono::microseconds time) {
    const std::scoped_lock lock{mutex_};
    one_way_ = time / 2;
}

std::size_t WireProxy::trips(std::size_t upstream) const {
    const std::scoped_lock lock{mutex_};
    return listeners_.at(upstream).trips;
}

void WireProxy::hold_until_waiting(std::size_t clients) {
    const std::scoped_lock lock{mutex_};
    hold_for_ = clients;
    waits_ = 0;
}

std::size_t WireProxy::stop_holding() {
    const std::scoped_lock lock{mutex_};
    hold_for_ = 0;
    ::eventfd_write(wake_, 1);
    return waits_;
}

void WireProxy::lose_reply_to(std::size_t upstream, std::string text) {
    const std::scoped_lock lock{mutex_};
    loss_ = {upstream, std::move(text), false};
    is_reply_lost_ = false;
}

void WireProxy::cut_off(std::size_t upstream) {
    const std::scoped_lock lock{mutex_};
    listeners_.at(upstream).is_cut_off = true;
    ::eventfd_write(wake_, 1);
}

void WireProxy::cut_off_at_request(std::size_t upstream, std::string text) {
    const std::scoped_lock lock{mutex_};
    loss_ = {upstream, std::move(text), true};
}

void WireProxy::restore(std::size_t upstream) {
    const std::scoped_lock lock{mutex_};
    listeners_.at(upstream).is_cut_off = false;
}

bool WireProxy::is_reply_lost() const {
    const std::scoped_lock lock{mutex_};
    return is_reply_lost_;
}

void WireProxy::run() {
    for (;;) {
        std::vector<pollfd> descriptors{{wake_, POLLIN, 0}};
        for (const auto& listener : listeners_) {
            descriptors.push_back({listener.descriptor, POLLIN, 0});
        }
        const auto existing = links_.size();
        for (const auto& link : links_) {
            descriptors.push_back(
                {link.client, POLLIN, 0});  // -1, which poll skips, once it is cut
            descriptors.push_back({link.server, POLLIN, 0});
        }
        const auto pause = time_to_next_delivery();
        const timespec timeout{
            .tv_sec = std::chrono::floor<std::chrono::seconds>(pause).count(),
            .tv_nsec = (pause % std::chrono::seconds{1}).count(),
        };
        checked(::ppoll(descriptors.data(), descriptors.size(), &timeout, nullptr), "ppoll");

        const std::scoped_lock lock{mutex_};
        if (is_stopping_) {
            return;
        }
        eventfd_t ignored = 0;
        ::eventfd_read(wake_, &ignored);
        for (std::size_t i = 0; i < listeners_.size(); ++i) {
            if (descriptors[1 + i].revents != 0) {
                accept_on(i);
            }
        }
        auto link = links_.begin();
        for (std::size_t i = 0; i < existing; ++i) {
            const auto this_link = link++;
            const auto first = 1 + listeners_.size() + 2 * i;
            const bool is_over =
                (descriptors[first].revents != 0 && !forward_request(*this_link)) ||
                (descriptors[first + 1].revents != 0 && !forward_answer(*this_link));
            if (is_over) {
                close_link(this_link);
            }
        }
        close_links_that_are_cut_off();
        release_if_all_wait();
        deliver_what_is_due();
    }
}

/// Takes bytes on their way; without a delay they arrive at once.
void WireProxy::carry(Link& link, int socket, const std::string& bytes, bool is_answer) {
    link.on_the_way.push_back({Clock::now() + one_way_, socket, bytes, is_answer});
}

void WireProxy::deliver_what_is_due() {
    const auto now = Clock::now();
    for (auto& link : links_) {
        while (!link.on_the_way.empty() && link.on_the_way.front().due <= now) {
            const auto& delayed = link.on_the_way.front();
            link.is_answered = link.is_answered || delayed.is_answer;
            send_all(delayed.socket, delayed.bytes);
            link.on_the_way.pop_front();
        }
    }
}

WireProxy::Clock::duration WireProxy::time_to_next_delivery() const {
    Clock::duration shortest = std::chrono::hours{1};
    const auto now = Clock::now();
    for (const auto& link : links_) {
        if (!link.on_the_way.empty()) {
            shortest = std::min(shortest, link.on_the_way.front().due - now);
        }
    }
    return std::max(shortest, Clock::duration::zero());
}

void WireProxy::accept_on(std::size_t upstream) {
    const int client = checked(
        ::accept4(listeners_[upstream].descriptor, nullptr, nullptr, SOCK_CLOEXEC), "accept4");
    if (listeners_[upstream].is_cut_off) {
        ::close(client);
        return;
    }
    const int server = checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    const auto address = loopback(listeners_[upstream].upstream.port);
    set_no_delay(client);
    set_no_delay(server);
    if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        ::close(server);
        ::close(client);
        return;
    }
    links_.push_back(
        {.upstream = upstream, .client = client, .server = server, .request = {}, .held = {}});
}

bool WireProxy::is_to_be_lost(const Link& link) const {
    return loss_ && loss_->upstream == link.upstream &&
           is_whole_request(listeners_[link.upstream].upstream.wire, link.request) &&
           link.request.find(loss_->text) != std::string::npos;
}

/// False when the client has gone, or its request is to be lost.
bool WireProxy::forward_request(Link& link) {
    const auto bytes = receive_some(link.client);
    if (bytes.empty()) {
        return false;
    }
    link.request += bytes;
    listeners_[link.upstream].trips += std::exchange(link.is_answered, false) ? 1U : 0U;
    if (is_to_be_lost(link)) {
        const bool is_cut_off_then = loss_->is_cut_off_then;
        loss_.reset();
        if (is_cut_off_then) {
            listeners_[link.upstream].is_cut_off = true;
            return false;
        }
        link.is_losing = true;
        for (auto& delayed : link.on_the_way) {
            delayed.socket = delayed.is_answer ? -1 : delayed.socket;
        }
        ::close(link.client);
        link.client = -1;
    }
    carry(link, link.server, bytes, false);
    link.is_waiting =
        hold_for_ > 0 && is_whole_request(listeners_[link.upstream].upstream.wire, link.request);
    return true;
}

/// False when the server has gone.
bool WireProxy::forward_answer(Link& link) {
    const auto bytes = receive_some(link.server);
    if (link.is_losing) {
        is_reply_lost_ = true;
        return false;
    }
    if (bytes.empty()) {
        return false;
    }
    if (link.is_waiting) {
        link.held += bytes;
        return true;
    }
    if (!is_begun_batch(listeners_[link.upstream].upstream.wire, link.request)) {
        link.request.clear();
    }
    carry(link, link.client, bytes, true);
    return true;
}

void WireProxy::release_if_all_wait() {
    std::size_t waiting = 0;
    for (const auto& link : links_) {
        waiting += link.is_waiting ? 1U : 0U;
    }
    const bool is_letting_all_through = hold_for_ == 0;
    if (waiting == 0 || (!is_letting_all_through && waiting < hold_for_)) {
        return;
    }
    waits_ += is_letting_all_through ? 0U : 1U;
    for (auto& link : links_) {
        if (link.is_waiting) {
            link.is_waiting = false;
            link.request.clear();
            carry(link, link.client, link.held, true);
            link.held.clear();
        }
    }
}

void WireProxy::close_links_that_are_cut_off() {
    for (auto link = links_.begin(); link != links_.end();) {
        const auto this_link = link++;
        if (listeners_[this_link->upstream].is_cut_off) {
            close_link(this_link);
        }
    }
}

/// What was on its way arrives, unless the network is cut off.
void WireProxy::close_link(std::list<Link>::iterator link) {
    for (const auto& delayed : link->on_the_way) {
        if (!listeners_[link->upstream].is_cut_off) {
            send_all(delayed.socket, delayed.bytes);
        }
    }
    if (link->client >= 0) {
        ::close(link->client);
    }
    ::close(link->server);
    links_.erase(link);
}

std::uint16_t port_of(const std::string& uri) {
    return static_cast<std::uint16_t>(std::stoul(uri.substr(port_position(uri))));
}

std::string with_port(const std::string& uri, std::uint16_t port) {
    const auto start = port_position(uri);
    return uri.substr(0, start) + std::to_string(port) + uri.substr(uri.find('/', start));
}

}  // namespace xa_tm::test
