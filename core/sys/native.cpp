// Which System this build has.
#include <new>

#include "core/sys/sys.hpp"
#if defined(__linux__)
#include "core/sys/unix/system.hpp"
#else
#include "core/sys/stub/stub.hpp"
#endif

namespace hc::sys {

#if defined(__linux__)
using Native = EpollSystem;
#else
using Native = StubSystem;
#endif

System& native() noexcept {
    // In storage of its own, so that no destructor runs at exit while threads still use it.
    alignas(Native) static unsigned char storage[sizeof(Native)];
    static Native* const system = new (storage) Native;
    return *system;
}

} // namespace hc::sys
