#include "core/net/listeners.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <utility>

#include "core/sys/sim/world.hpp"

namespace hc::net {
namespace {

const Address any_port = *Address::parse("127.0.0.1:0");

std::set<sys::Socket> all_sockets(const ListenerSet& set, std::uint32_t workers) {
    std::set<sys::Socket> out;
    for (std::uint32_t worker = 0; worker < std::max(workers, 1U); ++worker) {
        const auto own = set.sockets_for(worker, workers);
        out.insert(own.begin(), own.end());
    }
    return out;
}

/// A folder of its own, for Unix sockets of real systems.
class Folder {
public:
    Folder() {
        std::string pattern = std::filesystem::temp_directory_path() / "hc-net-XXXXXX";
        path_ = ::mkdtemp(pattern.data());
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Address socket() const { return *Address::unix_path(path_ + "/socket"); }
    bool has_socket() const { return std::filesystem::exists(path_ + "/socket"); }

private:
    std::string path_;
};

TEST(ListenerSet, ASocketForEachWorkerOnOnePort) {
    const ListenerSet set = ListenerSet::listen(sys::native(), any_port, 3).value();
    EXPECT_EQ(set.size(), 3U);
    EXPECT_FALSE(set.shared(3));
    EXPECT_NE(set.address().port, 0);
    const auto sockets = all_sockets(set, 3);
    EXPECT_EQ(sockets.size(), 3U);
    for (const sys::Socket socket : sockets) {
        EXPECT_EQ(sys::native().sockets().local_address(socket).value(), set.address());
    }
}

TEST(ListenerSet, DrivenModeHasOne) {
    const ListenerSet set = ListenerSet::listen(sys::native(), any_port, 0).value();
    EXPECT_EQ(set.size(), 1U);
    EXPECT_EQ(set.sockets_for(0, 0).size(), 1U);
    EXPECT_FALSE(set.shared(0));
}

TEST(ListenerSet, AnAddressInUseIsReportedHoweverManyWorkers) {
    for (const std::uint32_t first : {1U, 2U}) {
        for (const std::uint32_t second : {1U, 2U}) {
            const ListenerSet set = ListenerSet::listen(sys::native(), any_port, first).value();
            const auto again = ListenerSet::listen(sys::native(), set.address(), second);
            ASSERT_FALSE(again) << first << ' ' << second;
            EXPECT_EQ(again.error().kind, ErrorKind::address_in_use);
        }
    }
}

TEST(ListenerSet, ClosingFreesTheAddress) {
    ListenerSet set = ListenerSet::listen(sys::native(), any_port, 2).value();
    const Address at = set.address();
    set.close();
    EXPECT_EQ(set.size(), 0U);
    EXPECT_TRUE(set.sockets_for(0, 2).empty());
    set.close();
    EXPECT_TRUE(ListenerSet::listen(sys::native(), at, 2));
}

TEST(ListenerSet, AFailureOnTheWayLeavesNothing) {
    sys::sim::World world(1);
    world.options().sockets_max = 2;
    const auto set = ListenerSet::listen(world, any_port, 3);
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().code, EMFILE);
    EXPECT_EQ(world.network().open_sockets(), 0U);
}

TEST(ListenerSet, AUnixPathHasOneSocketAndItsFileGoesWithIt) {
    const Folder folder;
    {
        ListenerSet set = ListenerSet::listen(sys::native(), folder.socket(), 3).value();
        EXPECT_EQ(set.size(), 1U);
        EXPECT_TRUE(set.shared(3));
        EXPECT_EQ(all_sockets(set, 3).size(), 1U);
        EXPECT_EQ(set.address(), folder.socket());
        EXPECT_TRUE(folder.has_socket());
        const ListenerSet moved = std::move(set);
        EXPECT_TRUE(folder.has_socket());
    }
    EXPECT_FALSE(folder.has_socket());
}

TEST(ListenerSet, AForkedChildLeavesTheFile) {
    const Folder folder;
    ListenerSet set = ListenerSet::listen(sys::native(), folder.socket(), 1).value();
    const pid_t child = ::fork();
    if (child == 0) {
        set.close();
        ::_exit(0);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(folder.has_socket());
    EXPECT_TRUE(sys::native().sockets().connect(folder.socket())) << "and its socket listens";
    set.close();
    EXPECT_FALSE(folder.has_socket());
}

TEST(ListenerSet, AssignmentClosesWhatWasThere) {
    sys::sim::World world(1);
    ListenerSet set = ListenerSet::listen(world, any_port, 2).value();
    set = ListenerSet::listen(world, any_port, 1).value();
    EXPECT_EQ(world.network().open_sockets(), 1U);
    ListenerSet& same = set;
    set = std::move(same);
    EXPECT_EQ(set.size(), 1U);
}

TEST(ListenerSet, AdoptsDescriptorsAndClosesThem) {
    const Folder folder;
    const sys::Socket made = sys::native().sockets().listen(folder.socket(), {}).value();
    const std::intptr_t descriptor = static_cast<std::intptr_t>(made);
    {
        const ListenerSet set = ListenerSet::adopt(sys::native(), {&descriptor, 1}).value();
        EXPECT_EQ(set.address(), folder.socket());
        EXPECT_TRUE(set.shared(2));
        EXPECT_EQ(set.sockets_for(1, 2), std::vector{made});
    }
    EXPECT_FALSE(sys::native().sockets().local_address(made)) << "closed";
    EXPECT_TRUE(folder.has_socket()) << "the file is its maker's";
}

TEST(ListenerSet, RefusesWhatCannotBeAdopted) {
    sys::sim::World world(1);
    EXPECT_EQ(ListenerSet::adopt(world, {}).error().kind, ErrorKind::invalid);
    const auto number = [&](const char* at) {
        return static_cast<std::intptr_t>(world.sockets().listen(*Address::parse(at), {}).value());
    };
    const std::intptr_t two_places[] = {number("127.0.0.1:80"), number("127.0.0.1:81")};
    EXPECT_EQ(ListenerSet::adopt(world, two_places).error().kind, ErrorKind::invalid);
    const std::intptr_t nothing[] = {two_places[0], 12'345};
    EXPECT_FALSE(ListenerSet::adopt(world, nothing));
    EXPECT_EQ(world.network().open_sockets(), 2U) << "they stay the caller's";
}

TEST(ListenerSet, EverySocketHasAWorker) {
    for (std::uint32_t sockets = 1; sockets <= 6; ++sockets) {
        for (std::uint32_t workers = 0; workers <= 6; ++workers) {
            sys::sim::World world(1);
            std::vector<std::intptr_t> descriptors;
            for (std::uint32_t i = 0; i < sockets; ++i) {
                const auto socket =
                    world.sockets().listen(*Address::parse("127.0.0.1:80"), {.reuse_port = true});
                descriptors.push_back(static_cast<std::intptr_t>(socket.value()));
            }
            const ListenerSet set = ListenerSet::adopt(world, descriptors).value();
            EXPECT_EQ(all_sockets(set, workers).size(), sockets) << workers;
            for (std::uint32_t worker = 0; worker < std::max(workers, 1U); ++worker) {
                EXPECT_FALSE(set.sockets_for(worker, workers).empty());
            }
            EXPECT_EQ(set.shared(workers), workers > sockets);
        }
    }
}

} // namespace
} // namespace hc::net
