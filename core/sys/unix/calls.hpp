// The calls of the hot path. Those of the C library are cancellation points: in a program with
// threads each costs two locked instructions, and nothing here is ever cancelled. A sanitizer has
// to see them, though, and Clang does not say by a macro that there is one.
#pragma once

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace hc::sys {

#if defined(__linux__) && defined(SYS_recvfrom) && defined(SYS_sendto) &&                          \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)

/// A system call on a socket with a buffer and flags, and no address; like syscall(2), without the
/// shuffle of its arguments where the registers can be named.
inline ssize_t call(long number, int fd, const void* buffer, std::size_t size, int flags) noexcept {
#if defined(__x86_64__) && defined(__LP64__)
    register long flags_in asm("r10") = flags;
    register long address asm("r8") = 0;
    register long address_size asm("r9") = 0;
    long answer = number;
    asm volatile("syscall"
                 : "+a"(answer)
                 : "D"(static_cast<long>(fd)), "S"(buffer), "d"(size), "r"(flags_in), "r"(address),
                   "r"(address_size)
                 : "rcx", "r11", "memory");
    if (answer >= 0) return answer;
    errno = static_cast<int>(-answer);
    return -1;
#else
    return ::syscall(number, fd, buffer, size, flags, nullptr, 0);
#endif
}

inline ssize_t receive(int fd, void* into, std::size_t size) noexcept {
    return call(SYS_recvfrom, fd, into, size, 0);
}
inline ssize_t transmit(int fd, const void* from, std::size_t size, int flags) noexcept {
    return call(SYS_sendto, fd, from, size, flags);
}

#else

inline ssize_t receive(int fd, void* into, std::size_t size) noexcept {
    return ::recv(fd, into, size, 0);
}
inline ssize_t transmit(int fd, const void* from, std::size_t size, int flags) noexcept {
    return ::send(fd, from, size, flags);
}

#endif

} // namespace hc::sys
