// WebSocket: what an exchange becomes when its request asked for one and the user agreed (RFC 6455;
// over HTTP/2 by RFC 8441). It stands between the exchange, which is a tunnel of raw bytes then,
// and the user, who gets and sends whole messages.
//
//  open --- our Close ----------> closing --- the peer's Close --.
//    |`--- the peer's Close, which is answered -------------------+--> ended --- the peer's end,
//    |`--- a broken rule: our Close tells which ------------------'       or time --> closed
//     `--- the connection is lost, or no pong came ------------------------------------^
//
// The user is told of the end twice: on_ws_closed, once, when no more messages come in either
// direction, with the code and the reason; then on_closed of the exchange, after which nothing is
// left but release().
//
// Two ledgers, as those of a body. Credit: a message is delivered while there is any left, though
// it may be larger than that; what it takes beyond is missing from later grants. Held: messages of
// a user that keeps them, until consume(); at exchange_buffer_bytes_max no more are decoded. While
// either stops messages, and while the peer does not read our answers to its pings, what comes is
// left undecoded: raw_window bytes of it here, then in the exchange, then in the kernel.
//
// While nothing is going on a WebSocket owns no buffers: a message that comes in one piece is
// decoded in memory of the worker, one in several pieces has its block only until it was delivered.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/base/chain.hpp"
#include "core/link/context.hpp"
#include "core/link/exchange.hpp"
#include "core/link/websocket_settings.hpp"
#include "core/proto/ws/decoder.hpp"
#include "core/proto/ws/handshake.hpp"
#include "core/runtime/timer_wheel.hpp"

namespace hc::link {

class SharedMessage;
class SharedMessageRef;

/// How a WebSocket ended.
struct WebSocketEnd {
    std::uint16_t code = ws::code::abnormal; // the peer's, or ours when it broke the rules
    std::string_view reason; // valid during the call; with keeps_messages() until the release
    bool clean = false;      // Close was sent and received
};

/// Who handles the messages of a WebSocket, beside the ExchangeUser that the exchange has had all
/// along, who is told of on_writable and on_closed. The same rules: calls never nest, and
/// anything may be called in them.
class WebSocketUser {
public:
    /// A whole message: text or binary. Unless keeps_messages(), lent for this call and consumed by
    /// it; otherwise it stays in place until consume() or release.
    virtual void on_message(Exchange& exchange, ws::Opcode opcode, std::string_view bytes) = 0;
    /// No more messages come, and none can be sent. Once, unless the exchange was released before.
    virtual void on_ws_closed(Exchange& exchange, const WebSocketEnd& end) = 0;
    virtual bool keeps_messages() const noexcept = 0;

protected:
    ~WebSocketUser() = default;
};

class WebSocket final : public Stage, private runtime::Timer {
public:
    struct Terms {
        std::string_view protocol; // one of those that the request offers, or empty
        std::span<const http::Field> fields;
    };
    /// Whether the exchange's request asks for a WebSocket that may be opened:
    ///   unsupported, protocol  see ws::read_request
    ///   permission             its origin is not among the server's
    ///   invalid                `protocol` was not offered, or a field is one of the handshake's
    /// Any thread that may read the head.
    static ErrorKind examine(const Exchange& exchange, const Terms& terms);
    /// Answers the request; from here on the exchange is a WebSocket. `state` when it was answered
    /// already. `user` outlives the exchange.
    static ErrorKind accept(Exchange& exchange, const Terms& terms, WebSocketUser& user);
    /// Answers a request that is not accepted, for a reason that examine() gave: 400, 403 or 426.
    static ErrorKind refuse(Exchange& exchange, ErrorKind why, SendFlags flags);
    /// That of an exchange that is one, else nullptr.
    static WebSocket* of(const Exchange& exchange) noexcept {
        Stage* stage = exchange.stage();
        const bool is_one = stage != nullptr && stage->kind == Kind::websocket;
        return is_one ? static_cast<WebSocket*>(stage) : nullptr;
    }
    ~WebSocket() override;

    /// Sends a message (text, binary), a ping or a pong; text is to be UTF-8. All or nothing, as
    /// Exchange::send; `closed` once either end has sent its Close. `invalid` for a ping of more
    /// than 125 bytes.
    ErrorKind send(ws::Opcode opcode, std::string_view bytes);
    /// The same with bytes that stay the lender's: taken from `lent` on success only.
    ErrorKind send(ws::Opcode opcode, Chain& lent);
    /// Without the watermark check: what another thread was told is accepted.
    ErrorKind send_arrived(ws::Opcode opcode, Chain& bytes, std::uint64_t accepted);
    /// What all subscribers of a topic get: as many of `messages` as go out before the watermark is
    /// reached, in one write where the kernel takes it. Gives how many; those that come when
    /// nothing can be sent any more count as sent.
    std::size_t send_shared(std::span<const SharedMessageRef> messages);
    /// Sends a Close; what was sent before goes out before it. Messages still come, within credit,
    /// until the peer's Close. `invalid` for a code that may not be sent, or a reason that is too
    /// long; `closed` when a Close was sent or received already.
    ErrorKind close(std::uint16_t number, std::string_view reason);
    ErrorKind grant(std::uint64_t credit);
    /// Gives back the oldest `bytes` of the messages held; with 0, one that is empty. `invalid` for
    /// more than are held.
    ErrorKind consume(std::uint64_t bytes);
    /// Another thread was refused.
    void want_writable();
    bool open() const noexcept { return !close_sent_ && !close_received_ && !ended_; }

private:
    struct Shop;
    struct Held;

    WebSocket(Exchange& exchange, WebSocketUser& user, const ws::Deflate& agreed);

    // Stage
    void on_request(Exchange&, bool) override {}
    void on_body(Exchange& exchange, std::string_view bytes) override;
    void on_body_end(Exchange& exchange) override;
    void on_writable(Exchange& exchange) override;
    void on_closed(Exchange& exchange, ErrorKind why) override;
    bool keeps_body() const noexcept override { return false; }
    void on_release(Exchange& exchange) override;
    void on_wake(Exchange& exchange) override;
    bool on_going_away(Exchange& exchange) override;

    static void on_timer(runtime::Timer& timer) noexcept;
    static Shop& shop_of(const Exchange& exchange);
    ws::Workshop& shop() const;
    const ConnectionLimits& limits() const noexcept;
    Instant now() const noexcept;
    // input
    void process(std::string_view& input);
    bool may_decode(std::string_view input) const noexcept;
    bool full() const noexcept;
    void deliver();
    void take_ping();
    bool rate_is_fine();
    void take_close();
    void end_of_input();
    void stash(std::string_view rest);
    void take_more();
    void tidy() noexcept;
    // output
    ErrorKind put(ws::Opcode opcode, std::string_view bytes, Chain* lent);
    std::string_view form_of(SharedMessage& message);
    ErrorKind put_compressed(ws::Opcode opcode, std::string_view bytes);
    void put_control(ws::Opcode opcode, std::string_view payload);
    void put_close(std::uint16_t number, std::string_view reason);
    bool compresses(ws::Opcode opcode, std::uint64_t size) const noexcept;
    // ends
    void fail(const ws::Failure& failure);
    void end_our_side();
    void go();
    void report_end(std::uint16_t number, std::string_view reason);
    // time
    void arm(std::uint32_t after_ms);
    void expire();
    bool peer_is_lost();

    Exchange& exchange_;
    WebSocketUser& user_;
    ws::Decoder decoder_;
    std::unique_ptr<ws::Deflater> own_deflater_; // when our context is taken over
    std::unique_ptr<Held> held_;                 // what waits, if anything does
    Instant input_at_;                           // when the peer was last heard of
    std::int64_t credit_ = 0;                    // left; INT64_MAX: without end
    std::uint32_t raw_left_ = 0;                 // bytes that the exchange may still bring
    std::uint32_t controls_ = 0;                 // pings and pongs within second_
    std::uint16_t second_ = 0;
    std::uint8_t bits_; // of what we compress; 0: nothing is
    bool takeover_ : 1;
    bool close_sent_ : 1 = false;
    bool close_received_ : 1 = false;
    bool ended_ : 1 = false;    // our side of the connection, too: what comes is dropped
    bool reported_ : 1 = false; // on_ws_closed was called
    bool gone_ : 1 = false;     // released, or the exchange is over
    bool failed_ : 1 = false;   // the peer broke the rules
    bool timed_out_ : 1 = false;
    bool input_ended_ : 1 = false; // and something waits in front of that
    bool pong_awaited_ : 1 = false;
    bool output_full_ : 1 = false;     // nothing is decoded until the peer has read
    bool writable_wanted_ : 1 = false; // by the user
};
static_assert(sizeof(WebSocket) <= 160, "idle ones are many");

/// Sends one form of a shared message, without the watermark check.
ErrorKind put_shared(Exchange& exchange, SharedMessage& message, std::string_view form);

} // namespace hc::link
