#include "core/sys/linux/ring.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace hc::sys {

namespace {

// Numbers of the kernel's interface that its headers may be too old to name. What a kernel does not
// know it refuses, so each is tried or asked for.
constexpr std::uint32_t setup_cq_size = 1U << 3;
constexpr std::uint32_t setup_clamp = 1U << 4;
constexpr std::uint32_t setup_disabled = 1U << 6;
constexpr std::uint32_t setup_submit_all = 1U << 7;       // 5.18
constexpr std::uint32_t setup_coop_taskrun = 1U << 8;     // 5.19
constexpr std::uint32_t setup_single_issuer = 1U << 12;   // 6.0
constexpr std::uint32_t setup_defer_taskrun = 1U << 13;   // 6.1
constexpr std::uint32_t feature_single_mmap = 1U << 0;    // 5.4
constexpr std::uint32_t feature_no_drop = 1U << 1;        // 5.5
constexpr std::uint32_t feature_poll_32_bits = 1U << 6;   // 5.9
constexpr std::uint32_t feature_extra_argument = 1U << 8; // 5.11
constexpr std::uint32_t feature_cqe_skip = 1U << 11;      // 5.17

/// 5.17 is the first whose poll operations were written anew; those before lose events.
constexpr std::uint32_t features_needed = feature_single_mmap | feature_no_drop |
                                          feature_poll_32_bits | feature_extra_argument |
                                          feature_cqe_skip;

std::unexpected<Error> refused(int code) {
    Error error = system_error(code, "making an io_uring");
    // What a kernel without it, a seccomp filter and kernel.io_uring_disabled answer.
    if (code == ENOSYS || code == EPERM || code == EACCES) {
        error.kind = ErrorKind::unsupported;
        error.message += ": the kernel lacks io_uring or forbids it to this process";
    }
    return fail(std::move(error));
}

int setup(std::uint32_t entries, io_uring_params& params) noexcept {
    return static_cast<int>(::syscall(__NR_io_uring_setup, entries, &params));
}

/// The ways to set a ring up, the best first; a kernel answers EINVAL to one that it does not know.
std::array<std::uint32_t, 3> ways(bool one_thread) noexcept {
    constexpr std::uint32_t always = setup_cq_size | setup_clamp;
    // What has completed is worked off when its thread enters the kernel the next time (at the
    // latest at the next tick), instead of interrupting it: that costs more than the work.
    constexpr std::uint32_t patient = always | setup_submit_all | setup_coop_taskrun;
    // And not before it asks for it. Disabled until the first enter, which makes its thread the one
    // that may.
    constexpr std::uint32_t own =
        always | setup_submit_all | setup_single_issuer | setup_defer_taskrun | setup_disabled;
    return {one_thread ? own : patient, patient, always};
}

} // namespace

long enter_kernel(int ring, unsigned submit, unsigned at_least, unsigned flags,
                  const void* argument, std::size_t size) noexcept {
    return ::syscall(__NR_io_uring_enter, ring, submit, at_least, flags, argument, size);
}

Result<std::unique_ptr<Ring>> Ring::create(const RingOptions& options) {
    std::unique_ptr<Ring> ring(new Ring(options.enter));
    io_uring_params params{};
    for (const std::uint32_t flags : ways(options.one_thread)) {
        params = {};
        params.flags = flags;
        params.cq_entries = std::max(options.completions, options.submissions);
        ring->fd_ = setup(options.submissions, params);
        if (ring->fd_ >= 0 || errno != EINVAL) break;
    }
    if (ring->fd_ < 0) return refused(errno);
    ring->disabled_ = (params.flags & setup_disabled) != 0;
    if ((params.features & features_needed) != features_needed) {
        return fail(Error{.kind = ErrorKind::unsupported,
                          .origin = Origin::system,
                          .code = ENOSYS,
                          .message = "the io_uring of this kernel is older than Linux 5.17"});
    }
    if (auto mapped = ring->map(params); !mapped) return fail(std::move(mapped.error()));
    return ring;
}

Result<void> Ring::map(const io_uring_params& params) {
    const std::size_t sq_size = params.sq_off.array + params.sq_entries * sizeof(std::uint32_t);
    const std::size_t cq_size = params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe);
    constexpr int access = PROT_READ | PROT_WRITE;
    constexpr int kind = MAP_SHARED | MAP_POPULATE;
    const std::size_t size = std::max(sq_size, cq_size);
    void* queues = ::mmap(nullptr, size, access, kind, fd_, IORING_OFF_SQ_RING);
    if (queues == MAP_FAILED) return fail(system_error(errno, "mapping an io_uring"));
    queues_ = queues;
    queues_size_ = size;
    const std::size_t entries = params.sq_entries * sizeof(io_uring_sqe);
    void* sqes = ::mmap(nullptr, entries, access, kind, fd_, IORING_OFF_SQES);
    if (sqes == MAP_FAILED) return fail(system_error(errno, "mapping an io_uring"));
    sqes_ = static_cast<io_uring_sqe*>(sqes);
    sqes_size_ = entries;
    // A child must not be able to disturb the parent's ring.
    if (::madvise(queues_, queues_size_, MADV_DONTFORK) != 0 ||
        ::madvise(sqes_, sqes_size_, MADV_DONTFORK) != 0) {
        return fail(system_error(errno, "mapping an io_uring"));
    }

    auto* base = static_cast<char*>(queues);
    const auto at = [base](std::uint32_t offset) {
        return reinterpret_cast<Shared>(base + offset);
    };
    sq_head_at_ = at(params.sq_off.head);
    sq_tail_at_ = at(params.sq_off.tail);
    sq_flags_at_ = at(params.sq_off.flags);
    sq_mask_ = *at(params.sq_off.ring_mask);
    sq_tail_ = load(sq_tail_at_);
    cq_head_at_ = at(params.cq_off.head);
    cq_tail_at_ = at(params.cq_off.tail);
    cq_mask_ = *at(params.cq_off.ring_mask);
    cq_head_ = load(cq_head_at_);
    cqes_ = reinterpret_cast<io_uring_cqe*>(base + params.cq_off.cqes);
    // Slot i of the queue is always submission i.
    Shared order = at(params.sq_off.array);
    for (std::uint32_t i = 0; i < params.sq_entries; ++i) order[i] = i;
    return {};
}

Ring::~Ring() {
    if (fd_ < 0) return;
    // In a forked child the memory is not there; something else may be in its place.
    if (!forked()) {
        if (sqes_ != nullptr) ::munmap(sqes_, sqes_size_);
        if (queues_ != nullptr) ::munmap(queues_, queues_size_);
    }
    ::close(fd_);
}

io_uring_sqe* Ring::next() noexcept {
    if (unsubmitted() > sq_mask_) return nullptr;
    io_uring_sqe* entry = &sqes_[sq_tail_++ & sq_mask_];
    std::memset(entry, 0, sizeof *entry);
    return entry;
}

int Ring::enter(std::uint32_t at_least, std::optional<Duration> timeout, bool submit) noexcept {
    if (disabled_) {
        if (::syscall(__NR_io_uring_register, fd_, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) != 0) {
            return errno;
        }
        disabled_ = false;
    }
    store(sq_tail_at_, sq_tail_);
    const std::uint32_t entries = submit ? unsubmitted() : 0;
    std::uint32_t flags = IORING_ENTER_GETEVENTS;
    __kernel_timespec time{};
    io_uring_getevents_arg argument{};
    if (at_least == 0 || !timeout) {
        return enter_(fd_, entries, at_least, flags, nullptr, 0) < 0 && errno != EINTR ? errno : 0;
    }
    time.tv_sec = timeout->count() / 1'000'000'000;
    time.tv_nsec = timeout->count() % 1'000'000'000;
    argument.ts = reinterpret_cast<std::uintptr_t>(&time);
    flags |= IORING_ENTER_EXT_ARG;
    const long taken = enter_(fd_, entries, at_least, flags, &argument, sizeof argument);
    return taken < 0 && errno != EINTR && errno != ETIME ? errno : 0;
}

bool Ring::overflowed() const noexcept { return (load(sq_flags_at_) & IORING_SQ_CQ_OVERFLOW) != 0; }

} // namespace hc::sys
