#include "core/sys/unix/system.hpp"

#include <sched.h>
#include <sys/random.h>

#include <cerrno>
#include <ctime>

#include "core/sys/linux/epoll.hpp"

namespace hc::sys {

namespace {
timespec read_clock(clockid_t id) noexcept {
    timespec time{};
    ::clock_gettime(id, &time);
    return time;
}
} // namespace

Instant UnixClock::now() noexcept {
    const timespec time = read_clock(CLOCK_MONOTONIC);
    return {static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec};
}

WallTime UnixClock::wall() noexcept {
    const timespec time = read_clock(CLOCK_REALTIME);
    return {.seconds = time.tv_sec, .nanos = static_cast<std::uint32_t>(time.tv_nsec)};
}

Result<std::unique_ptr<Selector>> EpollSystem::make_selector() { return make_epoll_selector(); }

Result<void> UnixSystem::entropy(std::span<std::byte> out) {
    while (!out.empty()) {
        const ssize_t count = ::getrandom(out.data(), out.size(), 0);
        if (count < 0) {
            if (errno == EINTR) continue;
            return fail(system_error(errno, "reading entropy"));
        }
        out = out.subspan(static_cast<std::size_t>(count));
    }
    return {};
}

unsigned UnixSystem::processors() const noexcept {
    // The kernel refuses a set smaller than its own; machines beyond 1024 processors exist.
    for (int size = CPU_SETSIZE; size <= 1 << 16; size *= 2) {
        cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(size));
        if (set == nullptr) break;
        const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(size));
        const bool known = ::sched_getaffinity(0, bytes, set) == 0;
        const int count = known ? CPU_COUNT_S(bytes, set) : 0;
        CPU_FREE(set);
        if (known) return count > 0 ? static_cast<unsigned>(count) : 1;
        if (errno != EINVAL) break;
    }
    return 1;
}

} // namespace hc::sys
