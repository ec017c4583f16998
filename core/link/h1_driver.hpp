// H1Driver: one HTTP/1.x connection of a server. It joins a parser, a transport and one timer, and
// presents each request as an Exchange.
//
//   idle --bytes--> head --complete--> exchange --answered, read, released--> idle
//                     |                   |                          `--(close)--> lingering
//                     `--refused----------+--> lingering --peer's end or time--> gone
//
// One exchange at a time: a pipelined request is not looked at before the one in front of it is
// answered and released. Its bytes wait, at most one slice of them, and reading stops meanwhile; so
// answers are in order and a peer that pipelines without end costs what one request costs.
//
// A connection whose first bytes are HTTP/2's preface is handed over to an H2Driver.
//
// Lingering: after the last answer our side is shut down and what still comes is read and dropped,
// so that the answer is not lost to a reset (RFC 9112, section 9.6).
#pragma once

#include <cstdint>
#include <memory>

#include "core/link/context.hpp"
#include "core/link/exchange.hpp"
#include "core/link/transport.hpp"
#include "core/proto/h1/parser.hpp"
#include "core/proto/h1/writer.hpp"
#include "core/runtime/timer_wheel.hpp"

namespace hc::link {

class H1Driver final : public Connection,
                       private TransportUser,
                       private ExchangeDriver,
                       private runtime::Deferred,
                       private runtime::Timer {
public:
    /// Starts to serve `transport`; the new connection joins the context's list and retires itself.
    static H1Driver& start(ConnectionContext& context, std::unique_ptr<Transport> transport);
    /// The same for a connection that is one too many: 503 with Retry-After, then gone.
    static void refuse(ConnectionContext& context, std::unique_ptr<Transport> transport);
    ~H1Driver() override;

    void drain() noexcept override;
    void hurry() noexcept override;
    void kill() noexcept override;
    bool busy() const noexcept override { return exchange_ != nullptr; }
    /// Bytes that came before the driver did (behind a PROXY header).
    void feed(std::string_view slice) { on_data(slice); }

private:
    enum class Phase : std::uint8_t { open, tunnel, lingering, gone };

    H1Driver(ConnectionContext& context, std::unique_ptr<Transport> transport);

    // TransportUser
    void on_data(std::string_view slice) override;
    void on_end() override;
    void on_written() override;
    void on_closed(ErrorKind why) override;
    // ExchangeDriver
    ErrorKind drive_respond(Exchange& exchange, const Answer& answer) override;
    ErrorKind drive_interim(Exchange& exchange, int status,
                            std::span<const http::Field> fields) override;
    ErrorKind drive_upgrade(Exchange& exchange, int status,
                            std::span<const http::Field> fields) override;
    ErrorKind drive_promise(Exchange&, const Promise&) override { return ErrorKind::unsupported; }
    ErrorKind drive_send(Exchange& exchange, Chain* lent, std::string_view bytes) override;
    std::size_t drive_send_at_once(Exchange& exchange,
                                   std::span<const sys::ConstBuffer> pieces) noexcept override;
    ErrorKind drive_finish(Exchange& exchange, std::span<const http::Field> trailers) override;
    bool drive_suffices(const Exchange& exchange, std::uint64_t size) const noexcept override;
    void drive_abort(Exchange& exchange, std::uint64_t code) override;
    void drive_leave(Exchange& exchange) override;
    void drive_body_room(Exchange& exchange) override;
    void drive_released(Exchange& exchange) override;
    std::uint64_t drive_queued(const Exchange& exchange) const noexcept override;
    const Transport& transport() const noexcept override { return *transport_; }
    const ConnectionLimits& limits() const noexcept override { return context_.limits; }

    void run_deferred() override;
    static void on_timer(runtime::Timer& timer) noexcept;

    // input
    std::string_view process(std::string_view input);
    bool step(std::string_view& input);
    [[gnu::noinline]] void on_more_data(std::string_view slice);
    [[gnu::noinline]] bool sniff(std::string_view slice);
    void hand_over(std::string_view slice);
    void begin_exchange();
    [[gnu::cold]] void refuse_overload();
    void take_body(std::string_view bytes);
    void end_request();
    bool body_is_unwanted() const noexcept;
    [[gnu::noinline]] void stash(std::string_view input);
    void advance();
    void advance_later();
    bool waits_for_request() const noexcept;
    // ends
    void settle();
    inline void settle_inline(); // the same, for the way of most requests
    [[gnu::noinline]] void go_on_without(const Exchange& exchange);
    void give_up(const Exchange& exchange);
    inline void finish_exchange();
    void lose_exchange(ErrorKind why);
    void refuse_request(const h1::Refusal& refusal);
    void answer_simply(int status, std::uint32_t retry_after_s);
    void linger();
    void vanish(bool reset);
    // output
    bool rest_is_unwelcome() const noexcept;
    void output_begins();
    std::string_view date() const noexcept;
    bool respond_plainly(const http::HeadView& head, const Answer& answer);
    [[gnu::noinline]] ErrorKind respond_by_plan(const http::HeadView& head, const Answer& answer);
    void write_body(Chain* lent, std::string_view bytes);
    void end_answer(std::span<const http::Field> trailers);
    void note_answered();
    [[gnu::noinline]] void after_write();
    // time
    struct Due {
        enum Limit : std::uint8_t { write, lingering, header, idle, body, request };
        Instant at;
        Limit limit;
    };
    Due due() const noexcept;
    Due due_once_written() const noexcept;
    /// Called whenever a time limit may begin. No limit ends sooner than the shortest there is, so
    /// a timer that fires before that is good for all of them, and a busy connection seldom touches
    /// it: expire() finds out what is due, and when.
    void rearm() {
        const Instant soon = context_.worker.now() + context_.shortest_timeout;
        if (deadline() > soon) [[unlikely]]
            arm(soon);
    }
    [[gnu::noinline]] void arm(Instant at) noexcept;
    void expire();

    ConnectionContext& context_;
    std::unique_ptr<Transport> transport_;
    Exchange* exchange_ = nullptr; // the one under way
    std::unique_ptr<Chain> stash_; // input behind the request under way, if any
    h1::Parser parser_;
    std::uint64_t body_left_ = 0; // announced by Content-Length and not sent yet
    std::uint64_t discarded_ = 0; // input read and dropped
    std::uint64_t requests_ = 0;
    Instant input_at_;         // the last arrival that counts for a timeout
    Instant output_at_;        // the last time the kernel took output, or output began to wait
    std::uint8_t sniffed_ = 0; // bytes that were HTTP/2's preface so far, and were not parsed
    Phase phase_ = Phase::open;
    h1::BodyKind answer_body_ = h1::BodyKind::none;
    bool body_suppressed_ = false;
    bool in_process_ = false;      // inside process(): the loop there goes on by itself
    bool in_head_ = false;         // bytes of a head have come
    bool request_read_ = false;    // the request under way is complete
    bool answered_ = false;        // its answer is complete (maybe still queued)
    bool close_after_ = false;     // no request after this one
    bool continue_wanted_ = false; // the client waits for 100 Continue
    bool input_ended_ = false;     // the peer ended its side
    bool discarding_ = false;      // bytes of the body under way were dropped
    bool head_request_ = false;    // the request under way is HEAD
    const bool secure_;            // the transport is
};

} // namespace hc::link
