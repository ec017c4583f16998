// Resolver: the addresses of a host by its name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/net/address.hpp"
#include "core/runtime/runtime.hpp"
#include "core/runtime/task.hpp"

namespace hc::net {

/// What finds addresses. An implementation of one's own (a cache, a table of a test, a protocol of
/// one's own) derives from this.
class Resolver {
public:
    using Answer = Result<std::vector<Address>>;

    virtual ~Resolver() = default;
    /// The addresses of `host`, those to be tried first in front, never none, with `port` put in. A
    /// literal address ("127.0.0.1", "::1", "[::1]") is its own answer. `not_found` for a name that
    /// does not exist. Any thread; the resolver outlives the task.
    virtual runtime::Task<Answer> resolve(std::string host, std::uint16_t port) = 0;
};

/// Asks the system, in the way that it is set up (a file of hosts, DNS). What may take time happens
/// on the runtime's blocking pool: `limit` when its queue is full, `closed` when it has stopped.
///
/// Cancellation: a question that still waits for a thread is not asked any more; one that was asked
/// goes on by itself, and nobody hears the answer. The system's own time limit is the only one.
class SystemResolver final : public Resolver {
public:
    /// The runtime outlives the resolver.
    explicit SystemResolver(runtime::Runtime& runtime) noexcept : runtime_(runtime) {}
    runtime::Task<Answer> resolve(std::string host, std::uint16_t port) override;

private:
    runtime::Runtime& runtime_;
};

} // namespace hc::net
