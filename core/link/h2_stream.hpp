// H2Stream: one stream of an H2Driver, and what its Exchange sees of the connection.
//
//   head --> under way --both ends--> done --handed to the kernel, released--> gone
//                |------reset---> lost ------------------------released------> gone
//                `--------------- a refusal has no exchange, and is gone once it is sent
//
// Gone means: nghttp2 has forgotten the stream, and no exchange is attached. The object is then
// used again, at the end of the call into the driver.
#pragma once

#include <cstdint>
#include <memory>

#include "core/link/exchange.hpp"
#include "core/proto/h2/stream.hpp"

namespace hc::link {

class H2Driver;

/// A stream's place among those whose end waits for the kernel.
struct H2EndingNode : ListNode {};

class H2Stream final : public h2::Stream, public H2EndingNode, private ExchangeDriver {
public:
    explicit H2Stream(H2Driver& driver) noexcept : driver_(driver) {}
    ~H2Stream() = default;

private:
    friend class H2Driver;

    // ExchangeDriver
    ErrorKind drive_respond(Exchange& exchange, const Answer& answer) override;
    ErrorKind drive_interim(Exchange& exchange, int status,
                            std::span<const http::Field> fields) override;
    ErrorKind drive_upgrade(Exchange& exchange, int status,
                            std::span<const http::Field> fields) override;
    ErrorKind drive_promise(Exchange& exchange, const Promise& promise) override;
    ErrorKind drive_send(Exchange& exchange, Chain* lent, std::string_view bytes) override;
    ErrorKind drive_finish(Exchange& exchange, std::span<const http::Field> fields) override;
    bool drive_suffices(const Exchange& exchange, std::uint64_t size) const noexcept override;
    void drive_abort(Exchange& exchange, std::uint64_t code) override;
    void drive_leave(Exchange& exchange) override { drive_abort(exchange, 0); } // only the stream
    void drive_body_room(Exchange& exchange) override;
    void drive_released(Exchange& exchange) override;
    std::uint64_t drive_queued(const Exchange& exchange) const noexcept override;
    const Transport& transport() const noexcept override;
    const ConnectionLimits& limits() const noexcept override;

    void keep_output(Chain* lent, std::string_view bytes, bool last);
    bool body_is_unwanted() const noexcept;
    bool rest_is_long() const noexcept;
    bool waits_for_tunnel() const noexcept { return connect_ && (!tunnel_ || opening_); }
    /// Both sides are done, as far as they will be.
    bool is_done() const noexcept { return end_sent && (request_read_ || closed || reset_sent); }

    H2Driver& driver_;
    Exchange* exchange_ = nullptr;
    std::unique_ptr<Chain> early_; // CONNECT: what came before the tunnel was open
    std::uint64_t received_ = 0;   // body bytes, in all
    std::uint64_t returned_ = 0;   // of those, given back to the stream's window
    std::uint64_t held_ = 0;       // of those, counted as held by the connection
    std::uint64_t body_left_ = 0;  // announced by Content-Length and not sent yet
    std::uint64_t end_at_ = 0;     // where its last byte stands in the connection's output
    std::uint64_t announced_ = 0;  // by the request's Content-Length
    Instant unwanted_at_ = Instant::never(); // since when nobody wants the rest of the request
    Instant input_at_;                       // the last arrival that counts for a timeout
    bool request_read_ = false;              // its end has come
    bool discarding_ = false;                // bytes of its body were dropped
    bool length_known_ = false;              // the answer has a Content-Length
    bool body_suppressed_ = false;
    bool answered_ = false; // the answer is complete (maybe not sent)
    bool connect_ = false;  // the request is CONNECT
    bool tunnel_ = false;
    bool opening_ = false; // what came before the tunnel was open comes first
    bool head_request_ = false;
    bool continue_wanted_ = false; // the client waits for 100 Continue
    bool told_ = false;            // the exchange was told of its end
    bool settling_ = false;        // in settle()
    bool dead_ = false;            // waits to be used again
};

} // namespace hc::link
