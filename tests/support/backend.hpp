// Which backend a run of a test program is about. Programs that mark themselves with `io_uring` in
// their meson.build run twice, the second time with HTTPCORE_IO=io_uring. They are processes of
// their own because closing a ring interrupts the next system call of the thread that made it, and
// a wait of epoll's that ends early is what other tests look for.
#pragma once

#include <cstdlib>
#include <string_view>

namespace hc::test {

inline bool on_io_uring() {
    const char* asked = std::getenv("HTTPCORE_IO"); // NOLINT(concurrency-mt-unsafe)
    return asked != nullptr && std::string_view(asked) == "io_uring";
}

} // namespace hc::test
