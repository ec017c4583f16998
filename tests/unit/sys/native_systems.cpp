#include "tests/unit/sys/native_systems.hpp"

#include "hc_build.h"
#if HC_WITH_IO_URING
#include "core/sys/linux/uring.hpp"
#endif
#include "tests/support/backend.hpp"

namespace hc::sys::test {

namespace {

NativeCase chosen(const std::string& name, Backend backend, Loop loop) {
    auto system = native(backend, loop);
    if (!system) return {name, nullptr, loop, system.error().message};
    return {name, *system, loop, ""};
}

} // namespace

const std::vector<NativeCase>& native_systems() {
    static const std::vector<NativeCase> all = [] {
        if (!hc::test::on_io_uring()) {
            return std::vector<NativeCase>{chosen("epoll", Backend::epoll, Loop::host)};
        }
        std::vector<NativeCase> out{
            chosen("io_uring", Backend::io_uring, Loop::host),
            chosen("io_uring_own", Backend::io_uring, Loop::own),
        };
#if HC_WITH_IO_URING
        // Queues so small that they are full all the time.
        const RingOptions tiny{.submissions = 1, .completions = 2};
        static UringSystem host({.loop = Loop::host, .ring = tiny});
        static UringSystem own({.loop = Loop::own, .ring = tiny});
        out.push_back({"io_uring_tiny", &host, Loop::host, out[0].absent});
        out.push_back({"io_uring_own_tiny", &own, Loop::own, out[1].absent});
#endif
        return out;
    }();
    return all;
}

} // namespace hc::sys::test
