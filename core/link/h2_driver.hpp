// H2Driver: one HTTP/2 connection of a server. It joins a session, a transport and one timer, and
// presents each stream as an Exchange (H2Stream).
//
//   open --all said--> lingering --peer's end or time--> gone
//
// What nghttp2 finds in a slice is recorded and acted on when it returns; whatever is answered
// meanwhile is pulled when all of it was acted on, and leaves in one train of writes. What is sent
// at other times is pulled at the end of the pass. Nothing is pulled inside a call of a user. While
// the transport holds its high watermark nothing is pulled at all: it waits in the streams, in the
// order that the peer's priorities give it.
//
// Flow control. A stream's window follows what its exchange has consumed; the connection's follows
// what was copied or delivered, unless handlers hold too much. The rest is the session's.
//
// The end comes in two steps: GOAWAY that announces it, and, a round trip later, GOAWAY with the
// last stream that is served. When those are done, our side is shut down.
#pragma once

#include <cstdint>
#include <memory>

#include "core/link/context.hpp"
#include "core/link/h2_stream.hpp"
#include "core/link/transport.hpp"
#include "core/proto/h1/writer.hpp"
#include "core/proto/h2/session.hpp"
#include "core/runtime/timer_wheel.hpp"

namespace hc::link {

class H2Driver final : public Connection,
                       private TransportUser,
                       private h2::Party,
                       private runtime::Deferred,
                       private runtime::Timer {
public:
    /// Starts to serve `transport`; the new connection joins the context's list and retires itself.
    static H2Driver& start(ConnectionContext& context, std::unique_ptr<Transport> transport);
    ~H2Driver() override;

    void drain() noexcept override;
    void hurry() noexcept override;
    void kill() noexcept override { vanish(true); }
    bool busy() const noexcept override { return live_ > 0; }
    /// Bytes that came before the driver did.
    void feed(std::string_view slice) { on_data(slice); }

private:
    friend class H2Stream;
    enum class Phase : std::uint8_t { open, lingering, gone };
    enum class Leaving : std::uint8_t { no, announced, last };
    class Shared;

    H2Driver(ConnectionContext& context, std::unique_ptr<Transport> transport);
    static std::shared_ptr<Shared> shared_of(ConnectionContext& context);

    // TransportUser
    void on_data(std::string_view slice) override;
    void on_end() override;
    void on_written() override;
    void on_closed(ErrorKind why) override;
    // h2::Party
    h2::Stream* make_stream() noexcept override;
    char* reserve(std::size_t n) override;
    void commit(std::size_t n) noexcept override;
    void write(std::string_view bytes) override;
    void write(Chain&& bytes) override;

    void run_deferred() override;
    static void on_timer(runtime::Timer& timer) noexcept;

    // input
    void act();
    void act_on(const h2::Event& event);
    void begin_exchange(H2Stream& stream, h2::Head& head);
    void take_data(H2Stream& stream, std::string_view bytes);
    void take_end(H2Stream& stream, const http::HeadView& trailers);
    void take_trailers(H2Stream& stream, const h2::Head& head);
    void open_tunnel(H2Stream& stream);
    void push_body(H2Stream& stream, std::string_view bytes);
    void account(H2Stream& stream);
    void discard(H2Stream& stream, std::string_view bytes);
    // output
    void flush();
    void open_tunnels();
    void pull();
    void flush_later() noexcept;
    void note_output(std::uint64_t more) noexcept;
    bool tell_crowd();
    void pause_or_resume() noexcept;
    ErrorKind respond(H2Stream& stream, const Answer& answer);
    void add_fields(bool plain, std::span<const http::Field> fields);
    ErrorKind interim(H2Stream& stream, int status, std::span<const http::Field> fields);
    ErrorKind upgrade(H2Stream& stream, int status, std::span<const http::Field> fields);
    ErrorKind promise(const H2Stream& on, const Promise& promise);
    void end_answer(H2Stream& stream, std::span<const http::Field> trailers);
    void answer_simply(H2Stream& stream, int status, std::uint32_t retry_after_s);
    void refuse(H2Stream& stream, int status);
    std::string_view date() const noexcept;
    // ends
    void settle(H2Stream& stream);
    void settle_written();
    void lose(H2Stream& stream, ErrorKind why);
    void let_go(H2Stream& stream);
    void give_up(H2Stream& stream);
    void released(H2Stream& stream);
    void stream_closed(H2Stream& stream, bool by_us);
    bool is_handed_over(const H2Stream& stream) const noexcept;
    void end_unwanted(H2Stream& stream);
    void drop(H2Stream& stream, ErrorKind why, int status, std::uint32_t retry_after_s);
    void retire_if_gone(H2Stream& stream);
    void bury();
    void stop_accepting() noexcept;
    void finish_if_over();
    void lose_all(ErrorKind why);
    template <class Call>
    void each_stream(Call call);
    void linger();
    void vanish(bool reset);
    void count_glitches() noexcept;
    // time
    struct Due {
        enum Limit : std::uint8_t { none, write, lingering, header, idle, leaving, ping, streams };
        Instant at;
        Limit limit = none;
    };
    struct StreamDue {
        enum Limit : std::uint8_t { none, request, body, stall, rest };
        Instant at;
        Limit limit = none;
    };
    Due due() noexcept;
    StreamDue due_of(const H2Stream& stream) const noexcept;
    void rearm() {
        const Instant soon = context_.worker.now() + context_.shortest_timeout;
        if (deadline() > soon) [[unlikely]]
            arm(soon);
    }
    [[gnu::noinline]] void arm(Instant at) noexcept;
    void expire();
    void expire_streams();
    void expire_stream(H2Stream& stream, StreamDue::Limit limit);
    void expire_ping();

    ConnectionContext& context_;
    const std::shared_ptr<Shared> shared_; // first: the last to go
    std::unique_ptr<Transport> transport_;
    std::unique_ptr<h2::Session> session_;
    IntrusiveList<H2Stream, H2EndingNode> ending_; // in the order of their ends
    IntrusiveList<H2Stream, H2EndingNode> dead_;   // to be used again
    std::uint64_t written_ = 0;                    // bytes given to the transport, in all
    std::uint64_t held_ = 0;                       // body bytes that exchanges hold
    std::uint64_t withheld_ = 0;  // of those, what the connection's window was not given back
    std::uint64_t discarded_ = 0; // input read and dropped while lingering
    std::uint64_t requests_ = 0;
    Instant input_at_;  // the last arrival
    Instant output_at_; // the last time the kernel took output, or output began to wait
    Instant head_at_;   // when the head under way began
    Instant idle_at_;   // when the last stream ended
    Instant leaving_at_;
    Instant ping_at_;          // when the PING that is under way was sent
    std::uint32_t live_ = 0;   // streams that are open or have an exchange
    std::uint32_t pushes_ = 0; // of those, that were promised
    Phase phase_ = Phase::open;
    Leaving leaving_ = Leaving::no;
    bool crowded_ = false;       // too much waits in all streams together ...
    bool crowd_changed_ = false; // ... and the exchanges do not know yet that it does, or no more
    bool opening_ = false;       // a tunnel was opened, and has not been given what came before
    bool in_data_ = false;       // the end of on_data() flushes
    bool pinged_ = false;        // a PING is under way
    bool input_ended_ = false;
    const bool secure_;
};

} // namespace hc::link
