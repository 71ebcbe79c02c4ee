#include "http_server.h"

#include <chrono>
#include <ctime>
#include <future>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "configuration.h"
#include "http_client.h"

namespace xa_tm::cli {
namespace {

using test::http_request;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const ListenAddress kAnyPort{.host = "127.0.0.1", .port = 0};

HttpReply echo(std::string_view path) {
    return {path == "/missing" ? 404U : 200U, "text/plain", "you asked for " + std::string{path}};
}

std::string error_of(std::string_view listen) {
    try {
        static_cast<void>(parse_listen_address(listen));
    } catch (const ConfigurationError& error) {
        return error.what();
    }
    return "no error";
}

TEST(ListenAddress, IsAPortOnLoopback) {
    EXPECT_EQ(parse_listen_address("127.0.0.1:9464"), (ListenAddress{"127.0.0.1", 9464}));
    EXPECT_EQ(parse_listen_address("127.0.0.2:80"), (ListenAddress{"127.0.0.2", 80}));
    EXPECT_EQ(parse_listen_address("[::1]:9464"), (ListenAddress{"[::1]", 9464}));
}

TEST(ListenAddress, IsNeverOneThatOtherMachinesReach) {
    for (const auto* listen : {"0.0.0.0:9464", "192.168.1.2:9464", "[::]:9464", "localhost:9464",
                               "128.0.0.1:9464", ":9464", "shop.example:80"}) {
        EXPECT_THAT(error_of(listen), AllOf(HasSubstr("takes 127.0.0.1 or [::1]"),
                                            HasSubstr("for this machine alone")))
            << listen;
    }
}

TEST(ListenAddress, NeedsAPort) {
    for (const auto* listen : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536",
                               "127.0.0.1:-1", "127.0.0.1:9464x"}) {
        EXPECT_THAT(error_of(listen), HasSubstr("--listen wants ADDRESS:PORT")) << listen;
    }
}

TEST(HttpServer, AnswersGetWithWhatItIsGiven) {
    const HttpServer server{kAnyPort, echo};

    EXPECT_THAT(
        http_request(server.url(), "GET", "/metrics"),
        AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Content-Type: text/plain\r\n"),
              HasSubstr("Content-Length: 22\r\n"), EndsWith("\r\n\r\nyou asked for /metrics")));
    EXPECT_THAT(http_request(server.url(), "GET", "/missing"),
                StartsWith("HTTP/1.1 404 Not Found\r\n"));
}

TEST(HttpServer, AnswersHeadWithoutABody) {
    const HttpServer server{kAnyPort, echo};

    EXPECT_THAT(http_request(server.url(), "HEAD", "/metrics"),
                AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), EndsWith("\r\n\r\n")));
}

TEST(HttpServer, RefusesEveryOtherMethod) {
    const HttpServer server{kAnyPort, echo};

    for (const auto* method : {"POST", "PUT", "DELETE"}) {
        EXPECT_THAT(http_request(server.url(), method, "/metrics"),
                    AllOf(StartsWith("HTTP/1.1 405 "), Not(HasSubstr("you asked"))))
            << method;
    }
}

TEST(HttpServer, ListensOnIpv6AsWell) {
    const HttpServer server{{.host = "[::1]", .port = 0}, echo};

    EXPECT_THAT(server.url(), StartsWith("http://[::1]:"));
    EXPECT_THAT(http_request(server.url(), "GET", "/"), EndsWith("you asked for /"));
}

TEST(HttpServer, SaysThatThePortIsInUse) {
    const HttpServer first{kAnyPort, echo};
    const auto address = parse_listen_address(first.url().substr(std::string{"http://"}.size()));

    try {
        const HttpServer second{address, echo};
        FAIL() << "two servers listen on one port";
    } catch (const ConfigurationError& error) {
        EXPECT_THAT(error.what(),
                    AllOf(HasSubstr("can't listen on 127.0.0.1:"),
                          HasSubstr("Address already in use"), HasSubstr("--listen")));
    }
}

TEST(HttpServer, LetsOthersWaitWhileItServesAsManyAsItTakes) {
    const HttpServer server{kAnyPort, echo};
    std::vector<std::unique_ptr<test::TcpClient>> silent(32);
    for (auto& client : silent) {
        client = std::make_unique<test::TcpClient>(server.url());
    }
    auto reply =
        std::async(std::launch::async, [&] { return http_request(server.url(), "GET", "/late"); });
    EXPECT_EQ(reply.wait_for(std::chrono::milliseconds{300}), std::future_status::timeout);

    silent.clear();

    EXPECT_THAT(reply.get(), EndsWith("you asked for /late"));
}

TEST(HttpServer, RestsAndGoesOnWhenNoDescriptorWasLeft) {
    const HttpServer server{kAnyPort, echo};
    const auto address = parse_listen_address(server.url().substr(std::string{"http://"}.size()));
    const int client = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(address.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit none{0, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto clock_before = std::clock();
    EXPECT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    // Nothing can be observed of a server that rests but that it uses no time.
    std::this_thread::sleep_for(std::chrono::milliseconds{500});
    const auto used = std::clock() - clock_before;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);

    EXPECT_LT(used, CLOCKS_PER_SEC / 5);
    constexpr std::string_view kAsked = "GET /again HTTP/1.1\r\nHost: localhost\r\n\r\n";
    EXPECT_EQ(::send(client, kAsked.data(), kAsked.size(), 0), std::ssize(kAsked));
    pollfd readable{.fd = client, .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&readable, 1, 10'000), 1);
    ::close(client);
}

TEST(HttpServer, EndsAlthoughAClientSaysNothing) {
    std::optional<HttpServer> server{std::in_place, kAnyPort, echo};
    const test::TcpClient silent{server->url()};

    const auto start = std::chrono::steady_clock::now();
    server.reset();

    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{4});
}

}  // namespace
}  // namespace xa_tm::cli
