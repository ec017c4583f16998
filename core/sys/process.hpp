// What layers above need of the process and its threads, beside sockets and clocks. Real on Unix;
// harmless no-ops where the system has nothing of the kind.
#pragma once

#include <cstdint>
#include <string_view>

namespace hc::sys {

/// Names the calling thread for debuggers and `top`; Linux keeps 15 bytes.
void name_thread(std::string_view name) noexcept;

/// Blocks signals in the calling thread for good, so that none meant for the host runs its handler
/// on one of our threads. Those a fault raises (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS)
/// and SIGABRT stay open: crash handlers must still see them.
void block_signals() noexcept;

/// Blocks the same signals while it lives, then puts the old mask back. Around the start of a
/// thread, which inherits the mask, it leaves no moment in which that thread takes a signal.
class SignalsBlocked {
public:
    SignalsBlocked() noexcept;
    ~SignalsBlocked();
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

private:
    alignas(8) unsigned char old_mask_[128];
};

/// The process as it is now. Never 0.
using ForkToken = std::uint64_t;

/// Any thread. A token for `forked_since`; the same one until the process forks.
ForkToken fork_token() noexcept;

/// Any thread, a load and a comparison: true in every child forked since `token` was taken, and in
/// their children. It reads a page that the kernel wipes in the child, so it holds also for forks
/// that run no handlers.
bool forked_since(ForkToken token) noexcept;

} // namespace hc::sys
