// Exchange: one request and its answer, the same on every protocol. Server, client, C API and every
// binding know only this.
//
//  request side            open ---- body_end ----> ended
//  answer side    none --- interim* --- respond ---> open --- finish ---> finished
//                                  `-- upgrade ----> tunnel (raw bytes both ways until both ended)
//  whole          live --- both sides done --------> closed (ok)   --- release ---> freed
//                      `-- peer reset, abort, timeout -> closed (why) --- release ---> freed
//
// Ownership. The exchange is made by a driver and belongs to nobody else: it is freed when it is
// released by its user *and* its driver has let go of it. Until released it counts against its
// connection's concurrency, even after a reset, so that resets buy no free work. Everything here
// runs on the exchange's worker; other threads hold its id and post messages.
//
// Three ledgers, kept apart:
//   credit     grant(n) is cumulative permission to deliver body bytes; none are delivered without
//   held       bytes delivered to a user that keeps them, until consume(n); they and those not yet
//              delivered are bounded by exchange_buffer_bytes_max, beyond which the driver stops
//              reading
//   connection bytes copied into exchanges, bounded per connection by the driver (h2, h3)
//
// Sending is all or nothing: below the high watermark a chunk is taken whole; at or above it
// nothing is taken, the answer is `again`, and exactly one on_writable follows at the low
// watermark.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "core/base/chain.hpp"
#include "core/base/error.hpp"
#include "core/base/limits.hpp"
#include "core/base/time.hpp"
#include "core/http/field.hpp"
#include "core/http/head.hpp"
#include "core/http/router.hpp"
#include "core/link/transport.hpp"
#include "core/runtime/worker.hpp"

namespace hc::link {

class Exchange;
class ConnectionContext;
class PinnedExchange;
class RequestCoding;
class RequestJudgement;
class ResponseCoding;
class Stage;

/// Flags of respond and send.
struct SendFlags {
    bool fin = false;     // the body ends with these bytes
    bool release = false; // release the exchange when the call succeeded
};

/// An answer's head, with all of its body (flags.fin), the beginning of it, or nothing of it.
struct Answer {
    int status = 200; // 200 to 999
    std::span<const http::Field> fields;
    std::string_view body;
    SendFlags flags;
    /// Instead of `body`, bytes that stay the lender's (HC_NOCOPY): moved from on success only.
    Chain* lent = nullptr;

    std::uint64_t body_size() const noexcept {
        return lent != nullptr ? lent->size() : body.size();
    }
};

/// A request that the client has not made and is promised the answer to (RFC 9113, section 8.4).
struct Promise {
    http::Method method = http::Method::get; // or HEAD
    std::string_view path;                   // with its query
    std::span<const http::Field> fields;
};

/// What is wrong with it, whatever the connection: `invalid`, or `limit` when it is longer than
/// requests may be. Any thread.
ErrorKind examine(const Promise& promise, const ConnectionLimits& limits);

/// Who handles an exchange. Calls never nest for one exchange and never come after on_closed.
/// Inside any of them the user may call anything on the exchange, release() included.
class ExchangeUser {
public:
    /// The head is there. `ended`: no body follows. While this runs, head() points into memory that
    /// is lent; if the exchange is still unreleased when this returns, the head is moved into
    /// memory of its own (pointers change).
    virtual void on_request(Exchange& exchange, bool ended) = 0;
    /// Body bytes, within credit. Unless keeps_body(), lent for this call and consumed by it;
    /// otherwise they stay in place until consume() or release.
    virtual void on_body(Exchange& exchange, std::string_view bytes) = 0;
    /// The body is complete; exchange.trailers() are there.
    virtual void on_body_end(Exchange& exchange) = 0;
    /// A send was refused with `again` and would be taken now.
    virtual void on_writable(Exchange& exchange) = 0;
    /// The end, once, unless it was released before: ok when the answer was handed to the kernel
    /// and the request was read, else why not. Only release() is of use afterwards.
    virtual void on_closed(Exchange& exchange, ErrorKind why) = 0;
    virtual bool keeps_body() const noexcept = 0;

protected:
    ~ExchangeUser() = default;
};

/// The protocol's side of an exchange: what a driver (h1, h2, h3) does for it. The exchange has
/// checked states and ledgers before it calls.
class ExchangeDriver {
public:
    /// `invalid` when the fields may not be sent.
    virtual ErrorKind drive_respond(Exchange&, const Answer& answer) = 0;
    virtual ErrorKind drive_interim(Exchange&, int status, std::span<const http::Field> fields) = 0;
    virtual ErrorKind drive_upgrade(Exchange&, int status, std::span<const http::Field> fields) = 0;
    /// `unsupported` where there are no promises or the peer wants none; `state` where none is
    /// possible any more; `limit` beyond what either side allows. It was examined.
    virtual ErrorKind drive_promise(Exchange&, const Promise& promise) = 0;
    /// Exactly one of the two carries bytes. `limit` when it overruns an announced Content-Length.
    virtual ErrorKind drive_send(Exchange&, Chain* lent, std::string_view bytes) = 0;
    /// In a tunnel: has of `pieces` written at once what the kernel takes; see Transport.
    virtual std::size_t drive_send_at_once(Exchange&, std::span<const sys::ConstBuffer>) noexcept {
        return 0;
    }
    /// Whether an answer that ends with `size` more bytes has all that was announced.
    virtual bool drive_suffices(const Exchange&, std::uint64_t size) const noexcept = 0;
    /// `state` when fewer bytes were sent than announced: the exchange is then reset.
    virtual ErrorKind drive_finish(Exchange&, std::span<const http::Field> trailers) = 0;
    virtual void drive_abort(Exchange&, std::uint64_t code) = 0;
    /// The same, but what was written is not taken back: the peer may be reading it still.
    virtual void drive_leave(Exchange&) = 0;
    /// Credit was granted or bytes were consumed: reading may go on.
    virtual void drive_body_room(Exchange&) = 0;
    /// The user released it. The driver frees it, now or when its side is done (Exchange::destroy).
    /// It may come later than released() says: behind the end of an answer that is still coded.
    virtual void drive_released(Exchange&) = 0;
    /// Bytes of this exchange that wait to be written.
    virtual std::uint64_t drive_queued(const Exchange&) const noexcept = 0;
    /// What carries it: for facts only.
    virtual const Transport& transport() const noexcept = 0;
    virtual const ConnectionLimits& limits() const noexcept = 0;

protected:
    ~ExchangeDriver() = default;
};

/// What stands between an exchange and its user once the exchange became more than a request and
/// an answer: a WebSocket, an event stream. It is called in the user's place, calls the user
/// (Exchange::user()) in turn, and lives until the exchange is freed.
class Stage : public ExchangeUser {
public:
    enum class Kind : std::uint8_t { websocket, event_stream };
    explicit Stage(Kind which) noexcept : kind(which) {}
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;
    virtual ~Stage() = default;
    /// The user lets go of the exchange, which may not be over. The last call.
    virtual void on_release(Exchange& exchange) = 0;
    /// As Exchange::wake_stage() asked for.
    virtual void on_wake(Exchange& exchange) = 0;
    /// The connection wants to end. True: so will this, soon and by itself.
    virtual bool on_going_away(Exchange& exchange) = 0;

    const Kind kind;
    /// Whatever else depends on the exchange being there: ends with it, before the user is told.
    class Dependent {
    public:
        virtual ~Dependent() = default;
    };
    std::unique_ptr<Dependent> subscriptions;
};

/// An exchange's place among those of its context.
struct ExchangeNode : ListNode {};

// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): final, and only it ends itself
class Exchange final : public ExchangeNode, private runtime::Deferred {
public:
    // -- for users -------------------------------------------------------------------------------
    std::uint64_t id() const noexcept { return id_; }
    runtime::Worker& worker() const noexcept;
    /// See on_request for how long the pointers live.
    const http::HeadView& head() const noexcept { return *head_; }
    std::uint32_t route() const noexcept { return route_; }
    /// Its parameters are spans of head()'s path, and live as long as that.
    const http::RouteMatch& match() const noexcept { return *match_; }
    /// Behind on_body_end on any thread that has the id pinned.
    const http::HeadView& trailers() const noexcept;
    /// "http" or "https".
    std::string_view scheme() const noexcept { return secure_ ? "https" : "http"; }
    /// Empty once the exchange is closed: the driver is gone then.
    sys::Address peer() const;
    sys::Address local() const;
    /// What TLS found out; nullptr without TLS, and once the exchange is closed.
    std::shared_ptr<const Security> security() const;
    /// The connection's number, see Transport; 0 once the exchange is closed.
    std::uint64_t connection() const noexcept;
    bool closed() const noexcept { return closed_; }

    ErrorKind respond(const Answer& answer);
    ErrorKind respond(int status, std::span<const http::Field> fields, std::string_view body,
                      SendFlags flags) {
        return respond({.status = status, .fields = fields, .body = body, .flags = flags});
    }
    /// 100 to 199, not 101.
    ErrorKind interim(int status, std::span<const http::Field> fields);
    /// Until the answer is finished. What is promised comes as an exchange of its own.
    ErrorKind promise(const Promise& promise);
    /// 101 for an Upgrade, 2xx for CONNECT: raw bytes both ways from here on.
    ErrorKind upgrade(int status, std::span<const http::Field> fields);
    ErrorKind send(std::string_view bytes, SendFlags flags);
    ErrorKind send(Chain& bytes, SendFlags flags);
    ErrorKind finish(std::span<const http::Field> trailers);
    ErrorKind abort(std::uint64_t code);
    /// The same where all was sent: what is on its way still gets there.
    void leave();
    /// Bytes wait to be written.
    bool output_waits() const noexcept;
    ErrorKind grant(std::uint64_t credit);
    ErrorKind consume(std::uint64_t bytes);
    /// Gives the exchange up: no more calls to the user, and none of its own after this. An answer
    /// that was not begun becomes a 500, one that is not finished is aborted.
    void release();

    // -- for senders on other threads ------------------------------------------------------------
    /// Any thread that has the id pinned: counts `bytes` (a chain's memory_size()) as accepted when
    /// below the high watermark. False: nothing was taken; post a message that calls
    /// want_writable().
    bool accept_remote(std::uint64_t bytes) noexcept;
    /// The worker, when the message with those bytes arrived: send() without the watermark check.
    ErrorKind send_arrived(Chain& bytes, SendFlags flags);
    /// The worker: reports on_writable once, at the low watermark; now, if it is reached already.
    void want_writable();

    /// Whatever the user keeps with an exchange. Set once, by compare-and-swap from any thread that
    /// has the id pinned; deleted with the exchange.
    class Attachment {
    public:
        virtual ~Attachment() = default;
    };
    std::atomic<Attachment*> attachment{nullptr};
    std::atomic<std::uint32_t> user_bits{0}; // the user's own flags; nothing here looks at them

private:
    std::uint32_t route_ = 0; // here it fills what would be padding

public:
    /// Any thread that has the id pinned: the head was moved to memory of the exchange's own, and
    /// head() and, behind on_body_end, trailers() may be read.
    bool head_settled() const noexcept { return settled_.load(std::memory_order_acquire); }
    /// Whom the dispatcher chose, whatever stands before it now. Any thread.
    ExchangeUser& user() const noexcept { return *user_; }

    // -- for stages ------------------------------------------------------------------------------
    /// From here on `stage` is called in the user's place. There is none yet.
    void set_stage(std::unique_ptr<Stage> stage) noexcept;
    Stage* stage() const noexcept;
    ConnectionContext& context() const noexcept { return context_; }
    /// What was granted and not used: the stage's from here on, which grants anew.
    std::uint64_t take_credit() noexcept { return std::exchange(credit_, delivered_) - delivered_; }
    /// Has on_wake called at the end of the pass, as every call to a user: outside of any other.
    void wake_stage();
    /// What a send would be answered now; `again` counts as one that was refused.
    ErrorKind may_send();
    /// send() without the watermark check, for what may_send() allowed or what cannot wait.
    ErrorKind send_anyway(std::string_view bytes);
    ErrorKind send_anyway(Chain& bytes) { return send_accepted(bytes, {}); }
    /// Of what send_anyway() would be given next, in a tunnel: has the kernel take what it takes
    /// now, without queueing; gives how many bytes. The rest is the caller's to send.
    std::size_t send_at_once(std::span<const sys::ConstBuffer> pieces) noexcept {
        const bool may = tunnel_ && before_send() == ErrorKind::ok && answer_ == AnswerSide::open;
        const std::size_t taken = may ? driver_->drive_send_at_once(*this, pieces) : 0;
        body_sent_ += taken;
        return taken;
    }
    /// A send would be refused; nothing follows from asking.
    bool over_watermark() noexcept;
    /// Bytes that accept_remote() counted have arrived.
    void arrived(std::uint64_t bytes) noexcept {
        arriving_.fetch_sub(bytes, std::memory_order_release);
    }

    // -- for the dispatcher -----------------------------------------------------------------------
    void set_user(ExchangeUser& user, std::uint32_t route = 0) noexcept {
        user_ = &user;
        route_ = route;
    }
    /// Answers 503 with Retry-After and releases: the handlers are busy. Counted as refused.
    [[gnu::cold]] void refuse_overload();
    int status() const noexcept { return status_; } // of the answer; 0 before
    std::uint64_t body_bytes_sent() const noexcept; // as they were sent: coded
    Instant started() const noexcept { return started_; }

    // -- for drivers ------------------------------------------------------------------------------
    /// Makes an exchange in the context's memory, with an id; nullptr when ids or memory run out.
    static Exchange* create(ConnectionContext& context, ExchangeDriver& driver);
    /// The request's head, lent: dispatches, calls on_request, then moves the head into memory of
    /// its own when the exchange lives on. The view and what it points to stay as they are until
    /// this returns: no other head is parsed into the same memory meanwhile.
    void begin(const http::HeadView& lent, bool secure, bool ended);
    /// Body bytes, lent. The caller stops reading while over_buffer() says so.
    void push_body(std::string_view bytes);
    bool over_buffer() const noexcept;
    /// Enough was consumed for reading to go on.
    bool has_room() const noexcept;
    /// Body bytes that it holds: not delivered, or not consumed.
    std::uint64_t buffered() const noexcept { return body_.size(); }
    /// True when body bytes are wanted: credit is left over what is buffered.
    bool wants_body() const noexcept { return credit_ > pushed_; }
    /// The request side is complete.
    void end_body(const http::HeadView& trailers);
    /// Output went out: reports on_writable when it is due and, when the answer is finished and
    /// nothing is left to write, completes it.
    void on_written();
    /// The answer is finished and handed over, and the request was read: on_closed(ok).
    void complete();
    /// The connection or stream is gone, or time ran out: on_closed(why). Idempotent.
    void fail(ErrorKind why);
    /// The driver lets go: it will never be called again. May free the exchange.
    void detach() noexcept;
    /// The connection wants to end: true when this exchange will, soon and by itself.
    bool going_away();

    bool released() const noexcept { return released_; }
    bool request_ended() const noexcept { return request_ended_; }
    bool answer_begun() const noexcept { return answer_ >= AnswerSide::open; }
    bool answer_finished() const noexcept { return answer_ == AnswerSide::finished; }
    bool tunnel() const noexcept { return tunnel_; }
    bool granted() const noexcept { return credit_ > 0; }

    // -- for its Coding ---------------------------------------------------------------------------
    /// Coding's run() at the end of the pass.
    void run_later() { pump_later(); }
    /// The driver has not let go.
    bool is_driven() const noexcept { return driver_ != nullptr; }
    bool over_decoded() const noexcept;
    void push_decoded(std::string_view bytes);
    void end_decoded();
    /// Everything that came is decoded.
    void ask_for_body();
    /// The body is not what it should be: tells the client when nothing was answered yet, else
    /// resets. The user gets on_closed(why).
    void refuse_body(int status, ErrorKind why);

private:
    friend class ConnectionContext;
    friend class PinnedExchange;
    class Recycle;
    enum class AnswerSide : std::uint8_t { none, open, finished };

    Exchange(ConnectionContext& context, ExchangeDriver& driver) noexcept;
    inline ~Exchange();
    /// For exchanges that nobody released, when their context ends.
    static void destroy(Exchange& exchange) noexcept;
    void run_deferred() override;

    class Hold;
    class Quiet;
    template <class Call>
    void call_user(Call&& call);
    [[gnu::noinline]] void keep_head(const http::HeadView& lent, const http::RouteMatch& match);
    [[gnu::noinline]] bool begin_coded(const http::HeadView& lent, bool secure);
    [[gnu::noinline]] bool judge_request(const RequestJudgement& judgement);
    [[gnu::noinline]] ErrorKind respond_coded(const Answer& answer);
    struct Extras;
    Extras& extras();
    Extras* extras_here() const noexcept { return extras_.load(std::memory_order_relaxed); }
    /// The user, or who stands before it.
    ExchangeUser& called() const noexcept;
    [[gnu::noinline]] ExchangeUser& called_before_user() const noexcept;
    RequestCoding* request_coding() const noexcept;
    ResponseCoding* response_coding() const noexcept;
    void run_coding();
    void pump();
    void pump_later();
    ErrorKind send_accepted(Chain& bytes, SendFlags flags);
    ErrorKind after_answer(ErrorKind result, bool fin, SendFlags flags);
    ErrorKind before_send() noexcept;
    [[gnu::noinline]] void report_closed(ErrorKind why);
    inline void report_finished() noexcept;
    [[gnu::noinline]] void drop_hold() noexcept;
    inline void drop_last_hold() noexcept; // the same, where it mostly is the last
    void publish_queued() noexcept;

    std::uint64_t id_ = 0;
    ConnectionContext& context_;
    ExchangeDriver* driver_;       // nullptr once the driver let go; or that of a coding, before it
    ExchangeUser* user_ = nullptr; // whom the dispatcher chose
    std::atomic<Extras*> extras_{nullptr}; // of few: see coding.hpp. Made by the worker
    const http::HeadView* head_ = &http::OwnedHead::none; // lent, then owned_head_'s
    http::OwnedHead owned_head_;
    const http::RouteMatch* match_; // lent, then of its own when there are parameters
    Instant started_;
    std::uint64_t credit_ = 0;    // granted, in all
    std::uint64_t pushed_ = 0;    // received from the driver, in all
    std::uint64_t delivered_ = 0; // given to the user, in all
    std::uint64_t consumed_ = 0;  // of those, given back
    std::uint64_t body_sent_ = 0;
    Chain body_;                           // from consumed_ to pushed_
    const Chunk* next_chunk_ = nullptr;    // where delivered_ stands in body_ ...
    std::uint64_t next_offset_ = 0;        // ... and how far into that chunk, counted from its data
    std::atomic<std::uint64_t> queued_{0}; // what the driver has to write, for other threads
    std::atomic<std::uint64_t> arriving_{0}; // accepted from other threads and not arrived yet
    std::uint16_t status_ = 0;
    std::uint8_t holds_ = 2; // driver and user, and the pins that a removal had to wait for
    AnswerSide answer_ = AnswerSide::none;
    std::atomic<bool> settled_{false};
    bool secure_ = false;  // came over TLS
    bool tunnel_ = false;  // upgraded: raw bytes both ways
    bool in_call_ = false; // inside a call to the user: none nests
    bool request_ended_ = false;
    bool end_reported_ = false;
    bool writable_wanted_ = false;
    bool released_ = false;
    bool closed_ = false;
    bool finished_reported_ = false;
    bool wake_wanted_ = false;
    ErrorKind close_reason_ = ErrorKind::ok;
};

/// An exchange held in place by a thread that is not its worker. Nothing it names is destroyed
/// while this lives; the last of them, after a release, sees to it that the worker frees the
/// exchange.
class PinnedExchange {
public:
    /// `worker` is held by the caller (runtime::WorkerRef) for as long as this lives.
    static PinnedExchange of(runtime::Worker& worker, std::uint64_t id) noexcept {
        return {worker, id, static_cast<Exchange*>(worker.slots().pin(id))};
    }
    PinnedExchange(const PinnedExchange&) = delete;
    PinnedExchange& operator=(const PinnedExchange&) = delete;
    ~PinnedExchange();
    explicit operator bool() const noexcept { return exchange_ != nullptr; }
    Exchange* operator->() const noexcept { return exchange_; }
    Exchange& operator*() const noexcept { return *exchange_; }

private:
    PinnedExchange(runtime::Worker& worker, std::uint64_t id, Exchange* exchange) noexcept
        : worker_(worker), id_(id), exchange_(exchange) {}
    runtime::Worker& worker_;
    std::uint64_t id_;
    Exchange* exchange_;
};

} // namespace hc::link
