#include "core/sys/process.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <new>

#include "core/sys/unix/signals.hpp"

namespace hc::sys {

namespace {

thread_local bool blocked_for_good = false;

sigset_t signals_to_block() noexcept {
    sigset_t set;
    sigfillset(&set);
    for (const int open : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) {
        sigdelset(&set, open);
    }
    return set;
}

} // namespace

void name_thread(std::string_view name) noexcept {
    std::array<char, 16> text{};
    std::copy_n(name.begin(), std::min(name.size(), text.size() - 1), text.begin());
    pthread_setname_np(pthread_self(), text.data());
}

void block_signals() noexcept {
    const sigset_t set = signals_to_block();
    if (pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0) blocked_for_good = true;
}

bool signals_are_blocked() noexcept { return blocked_for_good; }

SignalsBlocked::SignalsBlocked() noexcept {
    static_assert(sizeof(sigset_t) <= sizeof old_mask_);
    const sigset_t set = signals_to_block();
    pthread_sigmask(SIG_BLOCK, &set, new (old_mask_) sigset_t);
}

SignalsBlocked::~SignalsBlocked() {
    pthread_sigmask(SIG_SETMASK, std::launder(reinterpret_cast<sigset_t*>(old_mask_)), nullptr);
}

namespace {

// The word on the wipe-on-fork page holds the token of this process, or 0 in a child that took none
// yet. `tokens` is ordinary memory: a child goes on counting where its parent was, so its tokens
// differ from all that it inherited.
using Word = std::atomic<std::uint64_t>;
std::atomic<Word*> page{nullptr};
std::atomic<std::uint64_t> tokens{0};

Word* map_page() noexcept {
    const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* memory =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    if (::madvise(memory, size, MADV_WIPEONFORK) != 0) {
        ::munmap(memory, size);
        return nullptr;
    }
    Word* word = new (memory) Word{0};
    Word* first = nullptr;
    if (page.compare_exchange_strong(first, word, std::memory_order_acq_rel)) return word;
    ::munmap(memory, size); // another thread was faster
    return first;
}

} // namespace

ForkToken fork_token() noexcept {
    Word* word = page.load(std::memory_order_acquire);
    if (word == nullptr) word = map_page();
    // Linux before 4.14 cannot wipe: the process id serves, at the price of a system call a check.
    if (word == nullptr) return static_cast<ForkToken>(::getpid());
    std::uint64_t current = word->load(std::memory_order_acquire);
    if (current != 0) return current;
    const std::uint64_t fresh = tokens.fetch_add(1, std::memory_order_relaxed) + 1;
    const bool won = word->compare_exchange_strong(current, fresh, std::memory_order_acq_rel);
    return won ? fresh : current;
}

bool forked_since(ForkToken token) noexcept {
    const Word* word = page.load(std::memory_order_acquire);
    if (word == nullptr) return static_cast<ForkToken>(::getpid()) != token;
    return word->load(std::memory_order_relaxed) != token;
}

} // namespace hc::sys
