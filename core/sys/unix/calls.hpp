// The calls of the hot path. Those of the C library are cancellation points: in a program with
// threads each costs two locked instructions, and nothing here is ever cancelled. A sanitizer has
// to see them, though, and Clang does not say by a macro that there is one.
#pragma once

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstddef>

namespace hc::sys {

#if defined(__linux__) && defined(SYS_recvfrom) && defined(SYS_sendto) &&                          \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
inline ssize_t receive(int fd, void* into, std::size_t size) noexcept {
    return ::syscall(SYS_recvfrom, fd, into, size, 0, nullptr, nullptr);
}
inline ssize_t transmit(int fd, const void* from, std::size_t size, int flags) noexcept {
    return ::syscall(SYS_sendto, fd, from, size, flags, nullptr, 0);
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
