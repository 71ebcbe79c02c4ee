#include "xa_tm/recovery_log/log_place.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "file_system_type.h"
#include "temporary_directory.h"

namespace xa_tm::recovery_log {
namespace {

using test::TemporaryDirectory;
using testing::HasSubstr;

/// Without root's right to write everywhere, for as long as this lives.
class Unprivileged {
public:
    Unprivileged() {
        if (was_root_) {
            EXPECT_EQ(::seteuid(kNobody), 0);
        }
    }
    Unprivileged(const Unprivileged&) = delete;
    Unprivileged& operator=(const Unprivileged&) = delete;
    ~Unprivileged() {
        if (was_root_) {
            EXPECT_EQ(::seteuid(0), 0);
        }
    }

private:
    static constexpr uid_t kNobody = 65534;
    bool was_root_ = ::geteuid() == 0;
};

void permit(const std::filesystem::path& path, unsigned mode) {
    std::filesystem::permissions(path, static_cast<std::filesystem::perms>(mode));
}

TEST(LogPlace, TellsWhatTheSystemShows) {
    const TemporaryDirectory directory;
    permit(directory.path(), 0750);
    const auto place = examine_place(directory.path());
    EXPECT_EQ(place.permissions, 0750U);
    EXPECT_GT(place.free_bytes, 0U);
    EXPECT_NE(place.file_system, "");
    EXPECT_FALSE(place.write_error) << place.write_error->what();
}

TEST(LogPlace, Trap58NamesWhatThisUserMayNotWrite) {
    const TemporaryDirectory directory;
    permit(directory.path(), 0555);
    {
        const Unprivileged unprivileged;
        const auto error = examine_place(directory.path()).write_error;
        ASSERT_TRUE(error);
        EXPECT_THAT(error->what(), HasSubstr("let the user of this process write"));
    }
    std::ofstream{directory.path() / "decision-0000000001-0000000001.xlog"};
    permit(directory.path() / "decision-0000000001-0000000001.xlog", 0444);
    permit(directory.path(), 0777);
    const Unprivileged unprivileged;
    const auto error = examine_place(directory.path()).write_error;
    ASSERT_TRUE(error);
    EXPECT_THAT(error->what(), HasSubstr("decision-0000000001-0000000001.xlog"));
}

TEST(LogPlace, IsNowhereWithoutADirectory) {
    const TemporaryDirectory directory;
    EXPECT_THROW(static_cast<void>(examine_place(directory.path() / "none")), LogError);
}

TEST(LogPlace, KnowsFileSystemsByWhatTheyKeep) {
    EXPECT_EQ(file_system_trait(0xEF53).kind, FileSystemKind::local);
    EXPECT_EQ(file_system_trait(0x01021994).kind, FileSystemKind::lost_with_machine);
    EXPECT_EQ(file_system_trait(0xFF534D42).kind, FileSystemKind::network);
    EXPECT_EQ(file_system_trait(0x794C7630).kind, FileSystemKind::lost_with_container);
    EXPECT_EQ(file_system_trait(0x12345).name, "type 12345");
}

}  // namespace
}  // namespace xa_tm::recovery_log
