// ConnectionContext: what all connections of one server on one worker share.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/intrusive_list.hpp"
#include "core/base/limits.hpp"
#include "core/base/log.hpp"
#include "core/link/exchange.hpp"
#include "core/proto/h1/answer_memo.hpp"
#include "core/proto/h1/parser.hpp"
#include "core/proto/h2/guard.hpp"
#include "core/runtime/worker.hpp"

namespace hc::runtime {
class BlockingPool;
} // namespace hc::runtime

namespace hc::link {

class Coder;
struct CodingOptions;
struct WebSocketSettings;

/// A number that one thread writes and any thread may read.
class Counter {
public:
    void add(std::uint64_t n = 1) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    void sub(std::uint64_t n = 1) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
    }
    std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

/// One worker's counts of one server.
struct Counters {
    Counter connections_accepted;
    Counter connections_open;
    Counter connections_refused;
    Counter requests;
    Counter requests_active;
    Counter requests_refused;
    std::array<Counter, 6> responses; // by class; [0] without an answer
    Counter protocol_errors;
    Counter timeouts;
    Counter bytes_received;
    Counter bytes_sent;
    Counter h2_connections;
    Counter h2_calmed; // connections ended with ENHANCE_YOUR_CALM
    Counter h2_stalls; // streams reset because the peer's window stayed shut
    std::array<Counter, h2::glitch_count> h2_glitches;
    Counter websockets_open;
    Counter websocket_messages_received;
    Counter websocket_messages_sent;
    Counter topic_messages_dropped; // a subscriber was too slow
};

/// A connection's place among those of its context.
struct ConnectionNode : ListNode {};

/// A connection as its server sees it. Deleted through Worker::retire.
class Connection : public runtime::Retired, public ConnectionNode {
public:
    /// No new request is taken: closes now when idle, else behind the answer under way.
    virtual void drain() noexcept = 0;
    /// Waited for long enough: what would go on for ever (a tunnel) is closed too.
    virtual void hurry() noexcept = 0;
    /// Ends it now, with a reset.
    virtual void kill() noexcept = 0;
    /// True while an exchange is under way.
    virtual bool busy() const noexcept = 0;
};

/// Where exchanges and connections go when something happens to them: the server.
class Dispatcher {
public:
    /// A request's head is there: choose the user (exchange.set_user) and say by what match, or
    /// answer it. Called with the head still lent.
    virtual void dispatch(Exchange& exchange, http::RouteMatch& match) = 0;
    /// The answer was handed over, or the exchange ended without one. For logs and latencies.
    virtual void finished(Exchange& exchange) noexcept = 0;
    /// A connection is gone; it is already out of the context's list.
    virtual void disconnected(const Endpoint& peer) noexcept = 0;
    /// The last exchange of a context that was `given_up` is gone.
    virtual void deserted() noexcept {}

protected:
    ~Dispatcher() = default;
};

/// What part of the library keeps with each context, made when it is first needed.
class ContextPart {
public:
    virtual ~ContextPart() = default;
};

class ConnectionContext {
public:
    /// All of them outlive the context.
    ConnectionContext(runtime::Worker& on, const ConnectionLimits& bounds, Dispatcher& to,
                      Counters& counts);
    ~ConnectionContext();
    ConnectionContext(const ConnectionContext&) = delete;
    ConnectionContext& operator=(const ConnectionContext&) = delete;

    runtime::Worker& worker;
    const ConnectionLimits& limits;
    Dispatcher& dispatcher;
    Counters& counters;
    const Duration shortest_timeout; // of those that `limits` sets; the longest there is when none
    std::string server_name;         // the Server field; empty for none
    bool send_date = true;
    bool half_close_is_gone = false;
    bool draining = false;
    bool given_up = false;    // it has no connections any more, and ends with its last exchange
    bool keeps_heads = false; // finished() looks at the head, also of what was released at once
    std::uint32_t retry_after_s = 5;
    std::uint32_t handshakes = 0; // of TLS, under way
    std::uint32_t handshakes_max = UINT32_MAX;
    runtime::BlockingPool* handshakers = nullptr; // for those that take long; nullptr: the worker
    IntrusiveList<Connection, ConnectionNode> connections;
    IntrusiveList<Exchange, ExchangeNode> exchanges;
    h1::HeadScratch scratch;
    h1::AnswerMemo answers;
    bool h2_enabled = false;         // HTTP/2 is spoken to who begins with its preface
    std::shared_ptr<ContextPart> h2; // once there is a connection of it, which may outlive this
    std::unique_ptr<Coder> coder;    // where answers are coded or requests decoded; see use_coding
    bool decodes = false;            // the latter

    /// Before the first connection.
    void use_coding(const CodingOptions& options);
    const WebSocketSettings* websocket_settings = nullptr; // the server's; nullptr: the defaults
    std::unique_ptr<ContextPart> websockets;               // what WebSockets share
    ContextPart* topics = nullptr;                         // the server's

    /// A buffer for what is encrypted or was decrypted, of use during a call only.
    std::span<char> plaintext_buffer();

    /// Memory for one exchange, from what earlier ones left.
    void* exchange_memory() noexcept;
    void exchange_memory_back(void* memory) noexcept;

private:
    struct Spare {
        Spare* next;
    };
    static constexpr std::uint32_t spare_max = 256;
    std::unique_ptr<char[]> plaintext_; // once there is a connection with TLS
    Spare* spare_ = nullptr;
    std::uint32_t spares_ = 0;
};

} // namespace hc::link
