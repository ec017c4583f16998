#include "core/net/listeners.hpp"

#include <algorithm>
#include <utility>

namespace hc::net {

namespace {

Result<void> same_address(const Address& first, const Address& other) {
    if (first == other) return {};
    return fail(ErrorKind::invalid, "descriptors of one set listen on " + first.to_string() +
                                        " and on " + other.to_string());
}

} // namespace

/// One more socket, on `address_` once there is one.
Result<void> ListenerSet::add(const Address& address, const sys::ListenOptions& options) {
    const auto socket = system_->sockets().listen(address, options);
    if (!socket) return std::unexpected(socket.error());
    sockets_.push_back(*socket);
    if (sockets_.size() > 1) return {};
    address_ = address;
    if (address.is_file()) maker_ = sys::fork_token();
    auto local = system_->sockets().local_address(*socket);
    if (!local) return std::unexpected(std::move(local.error()));
    address_ = *local;
    return {};
}

Result<ListenerSet> ListenerSet::listen(sys::System& system, const Address& address,
                                        std::uint32_t workers, sys::ListenOptions options) {
    const bool tcp = address.family != Address::Family::unix_;
    const std::uint32_t count = tcp ? std::max(workers, 1U) : 1;
    ListenerSet set(system);
    options.reuse_port = count > 1;
    options.first = true;
    if (auto made = set.add(address, options); !made) return std::unexpected(made.error());
    options.first = false;
    while (set.sockets_.size() < count) {
        if (auto made = set.add(set.address_, options); !made) {
            return std::unexpected(made.error());
        }
    }
    return set;
}

Result<ListenerSet> ListenerSet::adopt(sys::System& system,
                                       std::span<const std::intptr_t> descriptors) {
    if (descriptors.empty()) return fail(ErrorKind::invalid, "no descriptor to adopt");
    std::vector<sys::Socket> adopted;
    Address address;
    for (const std::intptr_t descriptor : descriptors) {
        const auto socket = system.sockets().adopt_listener(descriptor);
        if (!socket) return std::unexpected(socket.error());
        auto local = system.sockets().local_address(*socket);
        if (!local) return std::unexpected(std::move(local.error()));
        if (adopted.empty()) address = *local;
        if (auto same = same_address(address, *local); !same) {
            return std::unexpected(std::move(same.error()));
        }
        adopted.push_back(*socket);
    }
    ListenerSet set(system);
    set.sockets_ = std::move(adopted);
    set.address_ = address;
    return set;
}

ListenerSet::ListenerSet(ListenerSet&& other) noexcept
    : system_(other.system_), sockets_(std::exchange(other.sockets_, {})), address_(other.address_),
      maker_(std::exchange(other.maker_, 0)) {}

ListenerSet& ListenerSet::operator=(ListenerSet&& other) noexcept {
    if (this == &other) return *this;
    close();
    system_ = other.system_;
    sockets_ = std::exchange(other.sockets_, {});
    address_ = other.address_;
    maker_ = std::exchange(other.maker_, 0);
    return *this;
}

std::vector<sys::Socket> ListenerSet::sockets_for(std::uint32_t worker,
                                                  std::uint32_t workers) const {
    std::vector<sys::Socket> out;
    const std::size_t step = std::max(workers, 1U);
    const std::size_t end = sockets_.empty() ? 0 : std::max(sockets_.size(), step);
    for (std::size_t i = worker; i < end; i += step) out.push_back(sockets_[i % sockets_.size()]);
    return out;
}

ListenerSet::~ListenerSet() { close(); }

void ListenerSet::close() noexcept {
    // The file goes first: once the socket is closed, somebody else may listen in its place.
    if (maker_ != 0 && !sys::forked_since(maker_)) system_->sockets().remove_file(address_);
    maker_ = 0;
    for (const sys::Socket socket : std::exchange(sockets_, {})) system_->sockets().close(socket);
}

} // namespace hc::net
