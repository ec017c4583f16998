// What only the Selector on io_uring has to fear: a kernel that refuses or loses something, files
// that live on behind their closed descriptors, threads that end, forks.
#include "hc_build.h"
#if HC_WITH_IO_URING

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <filesystem>
#include <map>
#include <thread>
#include <vector>

#include "core/sys/linux/uring.hpp"
#include "tests/support/backend.hpp"

namespace hc::sys {
namespace {

using namespace std::chrono_literals;

/// What the next calls of io_uring_enter do instead of their work, one each.
struct Fault {
    int code = 0;              // fails with it; 0: does not
    unsigned submit_max = ~0U; // hands over so many only
};
std::deque<Fault> faults;
int calls = 0;

long enter_faulty(int ring, unsigned submit, unsigned at_least, unsigned flags,
                  const void* argument, std::size_t size) {
    ++calls;
    Fault fault;
    if (!faults.empty()) {
        fault = faults.front();
        faults.pop_front();
    }
    if (fault.code != 0) {
        errno = fault.code;
        return -1;
    }
    if (submit > fault.submit_max) {
        // As the kernel does when it stops in the middle: it does not wait then.
        return enter_kernel(ring, fault.submit_max, 0, flags, nullptr, 0);
    }
    return enter_kernel(ring, submit, at_least, flags, argument, size);
}

class Uring : public testing::TestWithParam<Loop> {
protected:
    void SetUp() override {
        if (!hc::test::on_io_uring()) GTEST_SKIP() << "the other run of this program";
        if (const auto works = probe_uring(); !works) GTEST_SKIP() << works.error().message;
        faults.clear();
        selector_ = make();
    }
    void TearDown() override {
        faults.clear();
        selector_.reset();
        for (const int fd : open_) ::close(fd);
    }
    static std::unique_ptr<Selector> make(RingOptions ring = {}) {
        ring.enter = enter_faulty;
        auto made = make_uring_selector({.loop = GetParam(), .ring = ring});
        EXPECT_TRUE(made) << made.error().message;
        return std::move(*made);
    }

    /// An eventfd, readable when `ready`.
    int descriptor(bool ready) {
        open_.push_back(::eventfd(ready ? 1 : 0, EFD_NONBLOCK | EFD_CLOEXEC));
        EXPECT_GE(open_.back(), 0);
        return open_.back();
    }
    static void signal(int fd) {
        const std::uint64_t one = 1;
        EXPECT_EQ(::write(fd, &one, sizeof one), 8);
    }
    struct Pair {
        int here, there;
    };
    Pair pair() {
        std::array<int, 2> ends{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()),
                  0);
        open_.insert(open_.end(), ends.begin(), ends.end());
        return {ends[0], ends[1]};
    }
    void close(int fd) {
        std::erase(open_, fd);
        ::close(fd);
    }
    static Result<void> watch(Selector& selector, int fd, Token token, bool edge = true) {
        Interest interest = Interest::read();
        interest.edge = edge;
        return selector.register_(Socket{fd}, token, interest);
    }
    /// How often each token is reported until `tokens` of them were, or nothing comes for a while.
    static std::map<Token, int> gather(Selector& selector, std::size_t tokens) {
        std::map<Token, int> seen;
        for (int quiet = 0; seen.size() < tokens && quiet < 20;) {
            Events<64> events;
            const auto count = selector.select(events, 100ms);
            EXPECT_TRUE(count) << count.error().message;
            quiet = count.value_or(0) == 0 ? quiet + 1 : 0;
            for (const Event& event : events) ++seen[event.token];
        }
        return seen;
    }
    static bool is_quiet(Selector& selector) {
        Events<8> events;
        for (int i = 0; i < 3; ++i) {
            if (selector.select(events, 5ms).value_or(1) != 0) return false;
        }
        return true;
    }

    std::unique_ptr<Selector> selector_;
    std::vector<int> open_;
};

// -- a kernel that refuses -----------------------------------------------------------------------

TEST_P(Uring, WhatIsNotTakenNowIsTakenLater) {
    for (const int code : {EAGAIN, EBUSY, ENOMEM, EINTR}) {
        for (const std::size_t times : {1U, 2U, 5U}) {
            const int edge = descriptor(true);
            const int level = descriptor(true);
            faults.assign(times, {.code = code});
            ASSERT_TRUE(watch(*selector_, edge, 1));
            ASSERT_TRUE(watch(*selector_, level, 2, false));
            const auto seen = gather(*selector_, 2);
            EXPECT_EQ(seen.size(), 2U) << code;
            faults.assign(times, {.code = code});
            EXPECT_TRUE(selector_->reregister(Socket{edge}, 3, Interest::read().edge_triggered()));
            EXPECT_EQ(gather(*selector_, 2).count(3), 1U) << code;
            faults.assign(times, {.code = code});
            EXPECT_TRUE(selector_->deregister(Socket{edge}));
            EXPECT_TRUE(selector_->deregister(Socket{level}));
            EXPECT_TRUE(is_quiet(*selector_));
        }
    }
}

TEST_P(Uring, AKernelWithoutMemoryIsNotPestered) {
    ASSERT_TRUE(watch(*selector_, descriptor(false), 1));
    ASSERT_TRUE(is_quiet(*selector_));
    faults.assign(1'000, {.code = EAGAIN});
    calls = 0;
    Events<8> events;
    const auto before = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - before < 100ms) {
        // The pause between two tries is a call as well; that one waits.
        if (!faults.empty()) faults[1] = {};
        ASSERT_TRUE(selector_->select(events, 10s));
    }
    EXPECT_LE(calls, 60) << "two calls each 10 ms";
}

TEST_P(Uring, AShortSubmissionGoesOn) {
    constexpr Token many = 40;
    for (Token i = 0; i < many; ++i) {
        faults.assign(100, {.submit_max = 1});
        ASSERT_TRUE(watch(*selector_, descriptor(true), i));
    }
    faults.assign(100, {.submit_max = 1});
    const auto seen = gather(*selector_, many);
    EXPECT_EQ(seen.size(), many);
    for (const auto& [token, times] : seen) EXPECT_EQ(times, 1) << token;
}

TEST_P(Uring, WhatTheKernelLostIsWatchedAnew) {
    const int ready = descriptor(true);
    const int later = descriptor(false);
    ASSERT_TRUE(watch(*selector_, ready, 1));
    ASSERT_TRUE(watch(*selector_, later, 2));
    EXPECT_EQ(gather(*selector_, 1).count(1), 1U);
    ASSERT_TRUE(is_quiet(*selector_));
    faults.assign(1, {.code = EBADR});
    EXPECT_EQ(gather(*selector_, 1).count(1), 1U) << "it may have been this event";
    EXPECT_TRUE(is_quiet(*selector_));
    signal(later);
    EXPECT_EQ(gather(*selector_, 1).count(2), 1U);
    // It is told once, to whatever call comes next.
    const int other = descriptor(false);
    ASSERT_TRUE(watch(*selector_, other, 3));
    ASSERT_TRUE(is_quiet(*selector_));
    faults.assign(1, {.code = EBADR});
    ASSERT_TRUE(selector_->deregister(Socket{other}));
    EXPECT_EQ(gather(*selector_, 2).size(), 2U) << "the two that are ready";
    EXPECT_TRUE(is_quiet(*selector_));
    // A wake may have been lost as well.
    selector_->wake();
    faults.assign(1, {.code = EBADR});
    gather(*selector_, 1);
    const auto before = std::chrono::steady_clock::now();
    selector_->wake();
    Events<8> events;
    while (selector_->select(events, 10s).value_or(0) > 0) {}
    EXPECT_LT(std::chrono::steady_clock::now() - before, 10s);
}

TEST_P(Uring, OtherFailuresAreTold) {
    faults.assign(1, {.code = EFAULT});
    Events<8> events;
    const auto failed = selector_->select(events, 10s);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, EFAULT);
    EXPECT_TRUE(is_quiet(*selector_));
}

// -- descriptors ---------------------------------------------------------------------------------

TEST_P(Uring, ANumberThatIsReusedIsAnotherSocket) {
    for (const bool edge : {true, false}) {
        const Pair old = pair();
        ASSERT_TRUE(watch(*selector_, old.here, 1, edge));
        ASSERT_TRUE(is_quiet(*selector_));
        // Closed without being deregistered, which nobody may do; and its number is used again.
        const Pair fresh = pair();
        ASSERT_EQ(::dup3(fresh.here, old.here, O_CLOEXEC), old.here);
        close(fresh.here);
        ASSERT_TRUE(watch(*selector_, old.here, 2, edge));
        EXPECT_FALSE(watch(*selector_, old.here, 3, edge)) << "that one is watched";
        ASSERT_EQ(::write(fresh.there, "x", 1), 1);
        const auto seen = gather(*selector_, 1);
        EXPECT_EQ(seen.size(), 1U);
        EXPECT_EQ(seen.count(2), 1U);
        char byte = 0;
        ASSERT_EQ(::read(old.here, &byte, 1), 1);
        ASSERT_TRUE(is_quiet(*selector_));
        // The old socket was let go: its peer sees the end.
        EXPECT_EQ(::read(old.there, &byte, 1), 0);
        ASSERT_TRUE(selector_->deregister(Socket{old.here}));
        EXPECT_FALSE(selector_->deregister(Socket{old.here}));
    }
}

TEST_P(Uring, NothingIsHandedOverOfWhatWasDeregisteredBefore) {
    const Pair old = pair();
    ASSERT_TRUE(watch(*selector_, old.here, 1));
    ASSERT_TRUE(selector_->deregister(Socket{old.here}));
    const Pair fresh = pair();
    ASSERT_EQ(::dup3(fresh.here, old.here, O_CLOEXEC), old.here);
    close(fresh.here);
    ASSERT_TRUE(is_quiet(*selector_));
    close(old.here); // a watch on it would keep it open
    char byte = 0;
    EXPECT_EQ(::read(fresh.there, &byte, 1), 0);
}

TEST_P(Uring, WhatHasNoReadinessFails) {
    const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    open_.push_back(nothing);
    ASSERT_TRUE(watch(*selector_, nothing, 1));
    Events<8> events;
    for (int i = 0; i < 1'000 && events.empty(); ++i) {
        ASSERT_TRUE(selector_->select(events, 10s));
    }
    ASSERT_EQ(events.size(), 1U);
    EXPECT_TRUE(events[0].failed);
    EXPECT_TRUE(events[0].readable);
    EXPECT_TRUE(is_quiet(*selector_)) << "once";
    ASSERT_TRUE(selector_->deregister(Socket{nothing}));
    // And what is not open is refused.
    EXPECT_FALSE(watch(*selector_, 1 << 29, 1));
    EXPECT_FALSE(selector_->deregister(Socket{1 << 29}));
}

TEST_P(Uring, WhatIsClosedIsClosedInTheMiddleOfMuchElse) {
    // The kernel has put off more than it works off in one call.
    std::vector<Pair> others;
    for (Token i = 0; i < 300; ++i) {
        others.push_back(pair());
        ASSERT_TRUE(watch(*selector_, others.back().here, i));
    }
    const Pair one = pair();
    ASSERT_TRUE(watch(*selector_, one.here, 1'000));
    ASSERT_TRUE(is_quiet(*selector_));
    for (const Pair& other : others) ASSERT_EQ(::write(other.there, "x", 1), 1);
    ASSERT_TRUE(selector_->deregister(Socket{one.here}));
    close(one.here);
    char byte = 0;
    EXPECT_EQ(::read(one.there, &byte, 1), 0);
    const auto seen = gather(*selector_, others.size());
    EXPECT_EQ(seen.size(), others.size());
    EXPECT_EQ(seen.count(1'000), 0U);
    // And so at the end of a selector that watches many.
    selector_.reset();
    for (const Pair& other : others) {
        EXPECT_EQ(::read(other.here, &byte, 1), 1); // closed with a byte unread it would be a reset
        close(other.here);
        EXPECT_EQ(::read(other.there, &byte, 1), 0);
    }
}

TEST_P(Uring, WaitingForWhatIsNotThereCostsNothing) {
    // The peer has ended, which nobody asked for; the kernel tells it all the same.
    for (const bool writable : {false, true}) {
        const Pair ends = pair();
        const std::vector<char> block(1 << 20);
        while (writable && ::write(ends.here, block.data(), block.size()) > 0) {}
        ASSERT_EQ(::shutdown(ends.there, SHUT_WR), 0);
        Interest interest;
        interest.writable = writable;
        ASSERT_TRUE(selector_->register_(Socket{ends.here}, 1, interest));
        ASSERT_TRUE(is_quiet(*selector_));
        calls = 0;
        ASSERT_TRUE(is_quiet(*selector_));
        EXPECT_LE(calls, 3) << "one a select";
        // What was asked for still comes, again and again.
        if (writable) {
            std::vector<char> into(1 << 20);
            while (::read(ends.there, into.data(), into.size()) > 0) {}
        } else {
            close(ends.there);
        }
        for (int i = 0; i < 3; ++i) {
            Events<8> events;
            ASSERT_TRUE(selector_->select(events, 10s));
            if (i == 0 && events.empty()) ASSERT_TRUE(selector_->select(events, 10s));
            ASSERT_EQ(events.size(), 1U);
            EXPECT_EQ(events[0].writable, writable);
            EXPECT_EQ(events[0].failed, !writable);
            EXPECT_FALSE(events[0].readable);
        }
        ASSERT_TRUE(selector_->deregister(Socket{ends.here}));
    }
}

TEST_P(Uring, ThousandsInOneTurn) {
    constexpr Token many = 6'000; // more than either queue has room for
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = std::max(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, many + 100));
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < many + 100) GTEST_SKIP() << "so many descriptors are not allowed";
    for (Token i = 0; i < many; ++i) {
        ASSERT_TRUE(watch(*selector_, descriptor(true), i, i % 3 != 0));
    }
    std::map<Token, int> seen = gather(*selector_, many);
    EXPECT_EQ(seen.size(), many);
    for (const auto& [token, times] : seen) {
        if (token % 3 != 0) EXPECT_EQ(times, 1) << token;
    }
    // All get another token, none goes twice; then all end at once.
    for (Token i = 0; i < many; ++i) {
        ASSERT_TRUE(
            selector_->reregister(Socket{open_[i]}, many + i, Interest::read().edge_triggered()));
    }
    seen = gather(*selector_, many);
    EXPECT_EQ(seen.size(), many);
    for (const auto& [token, times] : seen) {
        EXPECT_GE(token, many);
        EXPECT_EQ(times, 1) << token;
    }
    for (const int fd : open_) ASSERT_TRUE(selector_->deregister(Socket{fd}));
    EXPECT_TRUE(is_quiet(*selector_));
}

TEST_P(Uring, SelectorsLeakNoDescriptors) {
    const auto count = [] {
        const std::filesystem::directory_iterator all("/proc/self/fd");
        return std::distance(begin(all), end(all));
    };
    const auto before = count();
    for (int i = 0; i < 50; ++i) {
        auto selector = make({.submissions = 4, .completions = 8});
        ASSERT_TRUE(watch(*selector, descriptor(true), 1));
        EXPECT_EQ(gather(*selector, 1).size(), 1U);
        selector->set_deadline(Instant{1});
    }
    EXPECT_EQ(count() - before, 50) << "those of the test";
}

// -- threads and processes -----------------------------------------------------------------------

TEST_P(Uring, AThreadThatEndsTakesNothingAlong) {
    if (GetParam() == Loop::own) GTEST_SKIP() << "there it is the only one";
    const int edge = descriptor(false);
    const int level = descriptor(false);
    std::thread([&] {
        ASSERT_TRUE(watch(*selector_, edge, 1));
        ASSERT_TRUE(watch(*selector_, level, 2, false));
        selector_->set_deadline(Instant{1});
        Events<8> events;
        ASSERT_TRUE(selector_->select(events, 5ms));
    }).join();
    signal(edge);
    signal(level);
    EXPECT_EQ(gather(*selector_, 2).size(), 2U);
    ASSERT_TRUE(selector_->deregister(Socket{level}));
    ASSERT_TRUE(is_quiet(*selector_));
    const auto before = std::chrono::steady_clock::now();
    selector_->wake();
    Events<8> events;
    ASSERT_TRUE(selector_->select(events, 10s));
    EXPECT_LT(std::chrono::steady_clock::now() - before, 10s) << "and a wake comes through";
}

/// Runs `child` in a forked process; true when it says so.
template <class Child>
bool forked_says(Child child) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(child() ? 0 : 1);
    int status = -1;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST_P(Uring, AForkedChildOnlyLetsGo) {
    const int fd = descriptor(false);
    ASSERT_TRUE(watch(*selector_, fd, 1));
    ASSERT_TRUE(is_quiet(*selector_));
    const int other = descriptor(true);
    EXPECT_TRUE(forked_says([&] {
        Events<8> events;
        const auto forked = [](const auto& result) {
            return !result && result.error().kind == ErrorKind::forked;
        };
        bool good = forked(selector_->select(events, Duration::zero()));
        good = forked(watch(*selector_, other, 2)) && good;
        good = forked(selector_->reregister(Socket{fd}, 2, Interest::read())) && good;
        good = forked(selector_->deregister(Socket{fd})) && good;
        selector_->wake();
        selector_->set_deadline(Instant{1});
        selector_.reset();
        return good;
    }));
    EXPECT_TRUE(is_quiet(*selector_)) << "not even a wake came from the child";
    signal(fd);
    EXPECT_EQ(gather(*selector_, 1).count(1), 1U);
}

#if defined(__x86_64__) || defined(__aarch64__)
TEST_P(Uring, AKernelThatForbidsItIsAClearAnswer) {
    EXPECT_TRUE(forked_says([] {
        // As a container's filter does.
        std::array<sock_filter, 4> filter{{
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        }};
        const sock_fprog program{filter.size(), filter.data()};
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
            ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
            return true; // it cannot be tried here
        }
        const auto refused = native(Backend::io_uring, GetParam());
        return !refused && refused.error().kind == ErrorKind::unsupported &&
               refused.error().message.find("forbids") != std::string::npos &&
               native(Backend::automatic).has_value();
    }));
}
#endif

std::string name_of(const testing::TestParamInfo<Loop>& info) {
    return info.param == Loop::host ? "host" : "own";
}
INSTANTIATE_TEST_SUITE_P(Loops, Uring, testing::Values(Loop::host, Loop::own), name_of);

} // namespace
} // namespace hc::sys

#endif
