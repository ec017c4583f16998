// Layer: what comes between a connection's socket and its driver, TLS for one.
#pragma once

#include <memory>
#include <string_view>

#include "core/link/context.hpp"
#include "core/link/transport.hpp"

namespace hc::link {

/// Immutable; shared by all connections of a listener. Any thread may drop it.
class Layer {
public:
    /// Gets the connection when it is ready for a driver, and is to take it over within the call.
    /// `protocol`: what was agreed upon by ALPN, if anything. `listener` is who it came by.
    using Next = void (*)(ConnectionContext& context, std::unique_ptr<Transport> transport,
                          std::string_view protocol, const void* listener);

    virtual ~Layer() = default;
    /// On the context's worker. `rest`: bytes that have come already. A connection that does not
    /// get ready ends by itself; the dispatcher is told, as by a driver.
    virtual void start(ConnectionContext& context, std::unique_ptr<Transport> transport,
                       std::string_view rest, Next next, const void* listener) const = 0;
};

} // namespace hc::link
