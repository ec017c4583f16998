#include "core/sys/process.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

namespace hc::sys {
namespace {

bool is_blocked(int signal) {
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    return sigismember(&mask, signal) == 1;
}

/// Runs `check` in a forked child; true when it said true.
template <class Check>
bool in_child(Check check) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(check() ? 0 : 1);
    int status = -1;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(Process, NamesAThread) {
    std::thread([] {
        std::array<char, 32> name{};
        name_thread("hc-0");
        pthread_getname_np(pthread_self(), name.data(), name.size());
        EXPECT_STREQ(name.data(), "hc-0");
        name_thread("a name longer than fifteen bytes");
        pthread_getname_np(pthread_self(), name.data(), name.size());
        EXPECT_STREQ(name.data(), "a name longer t");
    }).join();
}

TEST(Process, BlocksSignalsForGood) {
    std::thread([] {
        block_signals();
        for (const int signal : {SIGINT, SIGTERM, SIGPIPE, SIGUSR1, SIGCHLD, SIGHUP}) {
            EXPECT_TRUE(is_blocked(signal)) << signal;
        }
        for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
            EXPECT_FALSE(is_blocked(signal)) << signal;
        }
    }).join();
    EXPECT_FALSE(is_blocked(SIGTERM)) << "only that thread";
}

TEST(Process, BlocksSignalsForAWhile) {
    ASSERT_FALSE(is_blocked(SIGTERM));
    {
        const SignalsBlocked blocked;
        EXPECT_TRUE(is_blocked(SIGTERM));
        std::thread([] { EXPECT_TRUE(is_blocked(SIGTERM)); }).join();
    }
    EXPECT_FALSE(is_blocked(SIGTERM));
}

TEST(Process, TokenIsTheSameUntilAFork) {
    const ForkToken token = fork_token();
    EXPECT_NE(token, 0U);
    EXPECT_EQ(fork_token(), token);
    EXPECT_FALSE(forked_since(token));
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([token] { EXPECT_EQ(fork_token(), token); });
    }
    for (std::thread& thread : threads) thread.join();
}

TEST(Process, AChildKnows) {
    const ForkToken token = fork_token();
    EXPECT_TRUE(in_child([token] { return forked_since(token); }));
    EXPECT_FALSE(forked_since(token)) << "the parent has not forked";
}

TEST(Process, AChildsOwnTokenIsNew) {
    const ForkToken token = fork_token();
    EXPECT_TRUE(in_child([token] {
        const ForkToken own = fork_token();
        return own != token && !forked_since(own) && forked_since(token);
    }));
}

TEST(Process, AGrandchildKnowsBoth) {
    const ForkToken token = fork_token();
    EXPECT_TRUE(in_child([token] {
        const ForkToken own = fork_token();
        return in_child([=] {
            const ForkToken third = fork_token();
            return forked_since(token) && forked_since(own) && third != own && third != token;
        });
    }));
    // Also when the child between took no token.
    EXPECT_TRUE(in_child([token] { return in_child([=] { return forked_since(token); }); }));
}

} // namespace
} // namespace hc::sys
