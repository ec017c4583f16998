// ListenerSet: the listening sockets of one address, as many as the workers need.
//
// TCP: a socket for each worker, all with SO_REUSEPORT, so that the kernel spreads connections and
// no two workers touch one accept queue. A Unix path has one socket, as have descriptors made
// elsewhere unless there is one for each worker; all workers share it, exclusively woken.
//
// The sockets live as long as the service. To close one of several that share an address resets the
// connections in its backlog, and those that the kernel would still have put there: clients that
// have connected already, and may have sent their request. So a set is made once, before the
// workers, and destroyed after them; stopping to accept is Acceptor::drain, never closing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/base/result.hpp"
#include "core/net/address.hpp"
#include "core/sys/process.hpp"
#include "core/sys/sys.hpp"

namespace hc::net {

/// Made and destroyed on one thread at a time; what does not change it may be called from any. In a
/// forked child it may be used, and closes only the child's descriptors.
class ListenerSet {
public:
    /// Listens on `address` for so many workers (0, the driven mode, counts as 1). Port 0 becomes
    /// one that is free, the same for all. `address_in_use` also when who listens there already
    /// would share it. `reuse_port` and `first` of the options are decided here.
    static Result<ListenerSet> listen(sys::System& system, const Address& address,
                                      std::uint32_t workers, sys::ListenOptions options = {});
    /// Takes over listening descriptors made elsewhere: by a supervisor, by a parent before a fork.
    /// They must listen on one address. On failure they stay the caller's, unchanged but for having
    /// been made non-blocking and closed on exec. A Unix socket's file stays its maker's.
    static Result<ListenerSet> adopt(sys::System& system,
                                     std::span<const std::intptr_t> descriptors);

    ListenerSet(ListenerSet&& other) noexcept;
    ListenerSet& operator=(ListenerSet&& other) noexcept;
    /// close()
    ~ListenerSet();

    /// The sockets that a worker is to accept from, when there are so many workers: one, but for
    /// adopted ones that outnumber them. Together the workers cover all.
    std::vector<sys::Socket> sockets_for(std::uint32_t worker, std::uint32_t workers) const;
    std::size_t size() const noexcept { return sockets_.size(); }
    /// True when, with so many workers, some have the same socket: AcceptorOptions::shared.
    bool shared(std::uint32_t workers) const noexcept { return workers > sockets_.size(); }
    /// Where it listens: what port 0 became.
    const Address& address() const noexcept { return address_; }
    /// Closes all, and removes the file of a Unix socket that was made here. Idempotent; the set
    /// has no sockets after it.
    void close() noexcept;

private:
    explicit ListenerSet(sys::System& system) noexcept : system_(&system) {}
    Result<void> add(const Address& address, const sys::ListenOptions& options);

    sys::System* system_;
    std::vector<sys::Socket> sockets_;
    Address address_;
    sys::ForkToken maker_ = 0; // of the process that made the file; 0: nobody here did
};

} // namespace hc::net
