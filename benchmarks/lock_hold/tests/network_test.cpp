#include "network.h"

#include <array>
#include <chrono>
#include <list>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xa_tm::bench {
namespace {

using std::chrono::microseconds;
using Clock = std::chrono::steady_clock;

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

/// Answers everything by itself.
class EchoServer {
public:
    EchoServer() : descriptor_{::socket(AF_INET, SOCK_STREAM, 0)} {
        auto address = loopback(0);
        socklen_t size = sizeof address;
        auto* generic = reinterpret_cast<sockaddr*>(&address);
        ::bind(descriptor_, generic, size);
        ::listen(descriptor_, 16);
        ::getsockname(descriptor_, generic, &size);
        port_ = ntohs(address.sin_port);
        acceptor_ = std::thread{[this] { accept_all(); }};
    }
    ~EchoServer() {
        ::shutdown(descriptor_, SHUT_RDWR);
        acceptor_.join();
        ::close(descriptor_);
    }
    [[nodiscard]] Network::Upstream upstream() const { return {Kind::mariadb, "127.0.0.1", port_}; }

private:
    void accept_all() {
        std::list<std::jthread> connections;
        for (int link = 0; (link = ::accept(descriptor_, nullptr, nullptr)) >= 0;) {
            connections.emplace_back([link] {
                std::array<char, 100> buffer;
                for (ssize_t got = 0; (got = ::read(link, buffer.data(), buffer.size())) > 0;) {
                    static_cast<void>(!::write(link, buffer.data(), static_cast<std::size_t>(got)));
                }
                ::close(link);
            });
        }
    }

    int descriptor_;
    std::uint16_t port_ = 0;
    std::thread acceptor_;
};

class Client {
public:
    explicit Client(std::uint16_t port) : descriptor_{::socket(AF_INET, SOCK_STREAM, 0)} {
        const auto address = loopback(port);
        EXPECT_EQ(
            ::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    ~Client() { ::close(descriptor_); }
    void send() const { ASSERT_EQ(::write(descriptor_, "request", 7), 7); }
    void receive() const {
        std::array<char, 100> buffer;
        ASSERT_EQ(::read(descriptor_, buffer.data(), buffer.size()), 7);
    }
    void ask() const {
        send();
        receive();
    }

private:
    int descriptor_;
};

constexpr microseconds kRoundTrip{20'000};

class NetworkTest : public testing::Test {
protected:
    EchoServer server;
    Network network{{server.upstream(), server.upstream()}, kRoundTrip};
    Client first{network.port(0)};
    Client second{network.port(1)};
};

TEST_F(NetworkTest, TakesARoundTripForARequestAndItsAnswer) {
    const auto start = Clock::now();
    first.ask();
    const auto time = Clock::now() - start;
    EXPECT_GE(time, kRoundTrip);
    EXPECT_LT(time, 2 * kRoundTrip);
}

TEST_F(NetworkTest, CountsRequestsOneAfterTheOtherAsSoManyWaits) {
    first.ask();
    second.ask();
    first.ask();
    EXPECT_EQ(network.counts().trips, 3U);
    EXPECT_EQ(network.counts().waits, 3U);
}

TEST_F(NetworkTest, CountsRequestsAtOnceAsOneWait) {
    first.send();
    second.send();
    first.receive();
    second.receive();
    EXPECT_EQ(network.counts().trips, 2U);
    EXPECT_EQ(network.counts().waits, 1U);
}

TEST_F(NetworkTest, CountsTheLongestChainOfThoseThatOverlap) {
    first.send();
    second.send();
    first.receive();
    first.send();  // while the second may still wait
    second.receive();
    first.receive();
    EXPECT_EQ(network.counts().trips, 3U);
    EXPECT_EQ(network.counts().waits, 2U);
}

TEST_F(NetworkTest, KeepsWhatPassesWhileItIsWatched) {
    first.ask();
    network.watch();
    second.ask();
    const auto passages = network.stop_watching();
    ASSERT_EQ(passages.size(), 2U);
    EXPECT_TRUE(passages[0].is_request);
    EXPECT_EQ(passages[0].upstream, 1U);
    EXPECT_FALSE(passages[1].is_request);
    EXPECT_GE(passages[1].time - passages[0].time, kRoundTrip);
    EXPECT_TRUE(network.stop_watching().empty());
}

}  // namespace
}  // namespace xa_tm::bench
