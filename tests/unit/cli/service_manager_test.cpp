#include "service_manager.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "notify_socket.h"

namespace xa_tm::cli {
namespace {

TEST(ServiceManager, IsToldOverItsSocket) {
    test::NotifySocket socket;
    ::setenv("NOTIFY_SOCKET", socket.name().c_str(), 1);

    notify_service_manager("READY=1\nSTATUS=fine");
    notify_service_manager("STOPPING=1");

    EXPECT_EQ(socket.take(), "READY=1\nSTATUS=fine");
    EXPECT_EQ(socket.take(), "STOPPING=1");
    ::unsetenv("NOTIFY_SOCKET");
}

TEST(ServiceManager, MayBeAbsent) {
    ::unsetenv("NOTIFY_SOCKET");
    notify_service_manager("READY=1");
    ::setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    notify_service_manager("READY=1");
    ::setenv("NOTIFY_SOCKET", std::string(200, 'x').c_str(), 1);
    notify_service_manager("READY=1");
    ::unsetenv("NOTIFY_SOCKET");
}

}  // namespace
}  // namespace xa_tm::cli
