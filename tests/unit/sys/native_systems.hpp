// The systems with real sockets that this run of the program is about (tests/support/backend.hpp):
// epoll, or io_uring in all ways in which it is used.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "core/sys/sys.hpp"

namespace hc::sys::test {

struct NativeCase {
    std::string name;
    System* system = nullptr;
    Loop loop = Loop::host;
    std::string absent; // why this build or this machine does not have it
};
inline void PrintTo(const NativeCase& each, std::ostream* out) { *out << each.name; }

/// Made once.
const std::vector<NativeCase>& native_systems();

} // namespace hc::sys::test
