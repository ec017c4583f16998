// Which System this build has.
#include <new>
#include <utility>

#include "hc_build.h"
#include "core/sys/sys.hpp"
#if defined(__linux__)
#include "core/sys/unix/system.hpp"
#else
#include "core/sys/stub/stub.hpp"
#endif
#if HC_WITH_IO_URING
#include "core/sys/linux/uring.hpp"
#endif

namespace hc::sys {

namespace {

#if defined(__linux__)
using Native = EpollSystem;
constexpr bool has_epoll = true;
#else
using Native = StubSystem;
constexpr bool has_epoll = false;
#endif

/// An object in storage of its own, so that no destructor runs at exit while threads still use it.
template <class T>
class Immortal {
public:
    template <class... A>
    explicit Immortal(A&&... arguments) : object_(new(storage_) T(std::forward<A>(arguments)...)) {}
    T& get() const noexcept { return *object_; }

private:
    alignas(T) unsigned char storage_[sizeof(T)];
    T* object_;
};

std::unexpected<Error> absent(const char* what) {
    return fail(Error{.kind = ErrorKind::unsupported, .message = what});
}

#if HC_WITH_IO_URING
Result<System*> io_uring(Loop loop) {
    // Each time anew: whether a process may use it can change.
    if (auto works = probe_uring(); !works) return fail(std::move(works.error()));
    static const Immortal<UringSystem> hosted{UringOptions{.loop = Loop::host}};
    static const Immortal<UringSystem> own{UringOptions{.loop = Loop::own}};
    return loop == Loop::host ? &hosted.get() : &own.get();
}
#else
Result<System*> io_uring(Loop) { return absent("this build of the library has no io_uring"); }
#endif

} // namespace

System& native() noexcept {
    static const Immortal<Native> system;
    return system.get();
}

Result<System*> native(Backend backend, Loop loop) {
    switch (backend) {
    case Backend::automatic: break;
    case Backend::epoll:
        if (!has_epoll) return absent("this build of the library has no epoll");
        break;
    case Backend::io_uring: return io_uring(loop);
    }
    return &native();
}

} // namespace hc::sys
