#include "core/server/proxy_reader.hpp"

#include "core/proto/proxy/proxy.hpp"

namespace hc::server {

ProxyReader::ProxyReader(link::ConnectionContext& context,
                         std::unique_ptr<link::Transport> transport, Next next,
                         const void* listener)
    : Timer(&ProxyReader::on_timer), context_(context), transport_(std::move(transport)),
      next_(next), listener_(listener) {}

void ProxyReader::start(link::ConnectionContext& context,
                        std::unique_ptr<link::Transport> transport, Next next,
                        const void* listener) {
    auto* reader = new ProxyReader(context, std::move(transport), next, listener);
    reader->transport_->set_user(*reader);
    context.connections.push_back(*reader);
    if (context.limits.header_timeout_ms != 0) {
        context.worker.timers().set(*reader, context.worker.now() +
                                                 milliseconds(context.limits.header_timeout_ms));
    }
}

void ProxyReader::on_data(std::string_view slice) {
    if (gone_) return;
    received_.append(slice);
    proxy::Header header;
    switch (proxy::parse(received_, header)) {
    case proxy::Outcome::need_more: return;
    case proxy::Outcome::invalid:
        context_.counters.protocol_errors.add();
        end();
        return;
    case proxy::Outcome::done: break;
    }
    if (header.source.family != proxy::Address::Family::none) {
        link::Endpoint peer;
        peer.family = header.source.family == proxy::Address::Family::v4 ? sys::Address::Family::v4
                                                                         : sys::Address::Family::v6;
        peer.ip = header.source.ip;
        peer.port = header.source.port;
        transport_->set_peer(peer);
    }
    gone_ = true;
    next_(context_, std::move(transport_), std::string_view(received_).substr(header.bytes),
          listener_);
    retire();
}

void ProxyReader::end() noexcept {
    if (gone_) return;
    gone_ = true;
    transport_->close();
    // Before the driver takes over, nobody else tells the server that the connection is gone. Whom
    // it was to be counted for is not known: an endpoint without an IP address says so.
    retire();
    context_.dispatcher.disconnected({.family = sys::Address::Family::unix_});
}

void ProxyReader::retire() noexcept {
    ConnectionNode::unlink();
    context_.worker.timers().cancel(*this);
    context_.worker.retire(std::unique_ptr<runtime::Retired>(this));
}

} // namespace hc::server
