#include "tests/sim/handlers.hpp"

#include <algorithm>
#include <charconv>
#include <string>

#include "core/runtime/timer_wheel.hpp"
#include "tests/sim/dice.hpp"

namespace hc::simtest {

using link::Exchange;

Chain Library::lend(std::string text) {
    const std::string& kept = out_[++next_] = std::move(text);
    Chain chain;
    chain.append_lent(kept, this, next_);
    return chain;
}

void Library::give_back(std::uint64_t token, bool) noexcept { out_.erase(token); }

/// One exchange in its handler's hands. It goes with the exchange.
class Handlers::Act final : public Exchange::Attachment, private runtime::Timer {
public:
    Act(Handlers& owner, Exchange& exchange, const Plan& plan, Fate& fate)
        : Timer(&fire), owner_(owner), exchange_(exchange), plan_(plan), fate_(fate),
          dice_(plan.number ^ 0xac7) {}

    void on_request(bool ended);
    void on_body(std::string_view bytes);
    void on_body_end();
    void on_writable();
    void on_closed(ErrorKind why);

private:
    static void fire(runtime::Timer& timer) noexcept { static_cast<Act&>(timer).go_on(); }
    void go_on();
    void later(Duration delay) {
        exchange_.worker().timers().set(*this, exchange_.worker().now() + delay);
    }
    void answer();
    void stream();
    void stop_short();
    void open_tunnel();
    void echo();
    void take_held();
    void release();
    ErrorKind send(std::string text, link::SendFlags flags);
    ErrorKind begin(std::string text, bool fin, bool announce);
    void expect(bool holds, std::string_view what);

    Handlers& owner_;
    Exchange& exchange_;
    const Plan plan_;
    Fate& fate_;
    Dice dice_;
    std::uint64_t got_ = 0;  // of the request's body or the tunnel
    std::uint64_t sent_ = 0; // of the answer or the tunnel
    std::uint64_t held_ = 0; // of got_, not consumed
    bool body_ended_ = false;
    bool started_ = false; // the answer
    bool tunnel_ = false;
    bool waits_for_room_ = false;
};

/// Gives calls to the act that belongs to the exchange.
class Handlers::User final : public link::ExchangeUser {
public:
    User(Handlers& owner, bool keeps) : owner_(owner), keeps_(keeps) {}

private:
    static Act& act_of(Exchange& exchange) {
        return *static_cast<Act*>(exchange.attachment.load());
    }
    void on_request(Exchange& exchange, bool ended) override {
        const http::HeadView& head = exchange.head();
        const std::string_view text = exchange.match().value(0, head.text(head.path));
        std::uint64_t number = 0;
        std::from_chars(text.data(), text.data() + text.size(), number);
        const Plan plan = Plan::of(number);
        Fate& fate = owner_.fates_[number];
        if (++fate.begun != 1) owner_.report_.fault("begun twice: " + plan.describe());
        if (head.text(head.method_name) != plan.method || plan.keeps != keeps_ ||
            plan.target != Plan::Target::route) {
            owner_.report_.fault("another request than was sent: " + plan.describe());
        }
        owner_.report_.note("R" + std::to_string(number));
        auto* act = new Act(owner_, exchange, plan, fate);
        exchange.attachment.store(act);
        act->on_request(ended);
    }
    void on_body(Exchange& exchange, std::string_view bytes) override {
        act_of(exchange).on_body(bytes);
    }
    void on_body_end(Exchange& exchange) override { act_of(exchange).on_body_end(); }
    void on_writable(Exchange& exchange) override { act_of(exchange).on_writable(); }
    void on_closed(Exchange& exchange, ErrorKind why) override { act_of(exchange).on_closed(why); }
    bool keeps_body() const noexcept override { return keeps_; }

    Handlers& owner_;
    bool keeps_;
};

// -- calls ----------------------------------------------------------------------------------------

void Handlers::Act::expect(bool holds, std::string_view what) {
    if (!holds) owner_.report_.fault(std::string(what) + ": " + plan_.describe());
}

void Handlers::Act::on_request(bool ended) {
    body_ended_ = ended;
    expect(ended == (plan_.body == Plan::Body::none ||
                     (plan_.body == Plan::Body::length && plan_.body_size == 0)),
           "ended says whether a body follows");
    if (plan_.hints) {
        const http::Field link[] = {{"link", "</style.css>"}};
        const auto hinted = exchange_.interim(103, link);
        expect(hinted == ErrorKind::ok, "103 was refused");
    }
    if (plan_.credit > 0) exchange_.grant(plan_.credit);
    if (plan_.answer == Plan::Answer::after_body && !ended) return;
    if (plan_.delay.count() % 2 == 0 && plan_.answer != Plan::Answer::later) {
        go_on();
    } else if (plan_.answer == Plan::Answer::at_once) {
        go_on();
    } else {
        later(plan_.delay);
    }
}

void Handlers::Act::on_body(std::string_view bytes) {
    expect(!bytes.empty() && !body_ended_ && fate_.closed == 0 && !fate_.released,
           "body bytes at the wrong time");
    for (const char c : bytes) {
        const char meant = tunnel_ ? plan_.tunnel_byte(got_) : plan_.request_byte(got_);
        if (c != meant) {
            expect(false, "a wrong byte at " + std::to_string(got_));
            break;
        }
        ++got_;
    }
    expect(tunnel_ || got_ <= plan_.body_size, "more body than there is");
    if (plan_.keeps) {
        held_ += bytes.size();
        if (dice_.chance(50)) take_held();
        if (held_ > 0 && !armed()) later(dice_.time(plan_.delay));
    }
    if (tunnel_) return echo();
    if (plan_.credit != UINT64_MAX && dice_.chance(70)) {
        exchange_.grant(plan_.credit);
    } else if (!armed()) {
        later(dice_.time(plan_.delay));
    }
}

void Handlers::Act::on_body_end() {
    expect(!body_ended_, "two ends of a body");
    body_ended_ = true;
    if (tunnel_) return echo();
    expect(got_ == plan_.body_size && plan_.fault == Plan::Fault::none, "a body ended short");
    const auto trailer = exchange_.trailers().find("x-trailer");
    expect(trailer.has_value() == plan_.trailers, "trailers");
    ++owner_.report_.bodies_whole;
    if (plan_.answer == Plan::Answer::after_body && !started_) answer();
}

void Handlers::Act::on_writable() {
    expect(waits_for_room_, "on_writable without a refused send");
    waits_for_room_ = false;
    if (tunnel_) return echo();
    stream();
}

void Handlers::Act::on_closed(ErrorKind why) {
    expect(!fate_.released, "on_closed after release");
    if (++fate_.closed != 1) expect(false, "a second on_closed");
    fate_.why = why;
    owner_.report_.note("C" + std::to_string(static_cast<int>(why)) + " of " +
                        std::to_string(plan_.number));
    if (why == ErrorKind::reset) ++owner_.report_.resets;
    if (why == ErrorKind::timeout) ++owner_.report_.timeouts;
    expect(why != ErrorKind::ok || fate_.answered, "closed as if all were well");
    if (plan_.linger_closed) {
        later(plan_.delay);
    } else {
        release();
    }
}

/// The timer: whatever is due next.
void Handlers::Act::go_on() {
    if (fate_.released) return;
    if (fate_.closed > 0) return release();
    if (plan_.keeps) take_held();
    if (started_) {
        if (tunnel_) return echo();
        if (plan_.credit != UINT64_MAX && !body_ended_) exchange_.grant(plan_.credit);
        if (plan_.answer == Plan::Answer::streamed && !waits_for_room_) stream();
        return;
    }
    switch (plan_.answer) {
    case Plan::Answer::after_body:
        if (!body_ended_) {
            exchange_.grant(plan_.credit);
            return;
        }
        return answer();
    case Plan::Answer::at_once:
    case Plan::Answer::later: return answer();
    case Plan::Answer::streamed: return stream();
    case Plan::Answer::aborted:
    case Plan::Answer::given_up: return stop_short();
    case Plan::Answer::tunnel: return open_tunnel();
    }
}

// -- answers --------------------------------------------------------------------------------------

ErrorKind Handlers::Act::begin(std::string text, bool fin, bool announce) {
    started_ = true;
    const std::string number = std::to_string(plan_.number);
    const std::string length = std::to_string(plan_.answer_size);
    http::Field fields[3];
    std::size_t count = 0;
    fields[count++] = {"x-number", number};
    if (plan_.wants_close) fields[count++] = {"connection", "close"};
    if (announce) fields[count++] = {"content-length", length};
    const link::SendFlags flags{.fin = fin, .release = fin && plan_.release_early};
    ErrorKind result = ErrorKind::ok;
    if (plan_.lends && !text.empty()) {
        Chain chain = owner_.library_.lend(std::move(text));
        if (flags.release) fate_.released = fate_.answered = true; // this goes with it
        result = exchange_.respond({.status = plan_.status,
                                    .fields = std::span(fields, count),
                                    .body = {},
                                    .flags = flags,
                                    .lent = &chain});
    } else {
        if (flags.release) fate_.released = fate_.answered = true;
        result = exchange_.respond(plan_.status, std::span(fields, count), text, flags);
    }
    return result;
}

void Handlers::Act::answer() {
    Handlers& owner = owner_;
    const std::uint64_t number = plan_.number;
    const bool early = plan_.release_early;
    const ErrorKind result = begin(plan_.answer_bytes(0, plan_.answer_size), true, false);
    if (result == ErrorKind::ok) {
        owner.report_.note("A" + std::to_string(number));
        if (!early) fate_.answered = true;
        return;
    }
    // Its end is on its way to us.
    if (early) fate_.released = fate_.answered = false;
    if (result != ErrorKind::closed) {
        owner.report_.fault("an answer was refused, " + std::to_string(static_cast<int>(result)) +
                            ": " + Plan::of(number).describe());
    }
}

ErrorKind Handlers::Act::send(std::string text, link::SendFlags flags) {
    if (!plan_.lends || text.empty()) return exchange_.send(text, flags);
    Chain chain = owner_.library_.lend(std::move(text));
    return exchange_.send(chain, flags);
}

/// Sends until it is refused, and goes on in on_writable; sometimes a timer comes between.
void Handlers::Act::stream() {
    if (!started_) {
        const ErrorKind begun = begin("", false, plan_.known_length);
        expect(begun == ErrorKind::ok || begun == ErrorKind::closed, "a head was refused");
        if (begun != ErrorKind::ok) return;
    }
    if (fate_.answered) return;
    while (sent_ < plan_.answer_size) {
        const std::uint64_t size = std::min(plan_.chunk, plan_.answer_size - sent_);
        const ErrorKind result = send(plan_.answer_bytes(sent_, size), {});
        if (result == ErrorKind::again) {
            ++owner_.report_.refused_sends;
            waits_for_room_ = true;
            return;
        }
        expect(result == ErrorKind::ok || result == ErrorKind::closed, "a send was refused");
        if (result != ErrorKind::ok) return;
        sent_ += size;
        if (dice_.chance(10)) return later(dice_.time(plan_.delay));
    }
    const http::Field trailers[] = {{"x-end", "1"}};
    const ErrorKind result = exchange_.finish(std::span(trailers, plan_.answer_trailers ? 1 : 0));
    expect(result == ErrorKind::ok || result == ErrorKind::closed, "an end was refused");
    if (result != ErrorKind::ok) return;
    fate_.answered = true;
    owner_.report_.note("S" + std::to_string(plan_.number));
    if (plan_.release_early) release();
}

void Handlers::Act::stop_short() {
    if (plan_.begun) {
        const bool announce = plan_.known_length;
        if (begin("", false, announce) != ErrorKind::ok) return;
        if (plan_.cut_at > 0) exchange_.send(plan_.answer_bytes(0, plan_.cut_at), {});
    }
    started_ = true;
    owner_.report_.note("X" + std::to_string(plan_.number));
    if (plan_.answer == Plan::Answer::given_up) return release();
    const ErrorKind result = exchange_.abort(7);
    expect(result == ErrorKind::ok || result == ErrorKind::closed, "an abort was refused");
}

void Handlers::Act::release() {
    fate_.released = true;
    exchange_.release(); // this may be gone now
}

// -- bodies and tunnels ---------------------------------------------------------------------------

void Handlers::Act::take_held() {
    const std::uint64_t n = dice_.chance(50) ? held_ : dice_.below(held_ + 1);
    held_ -= n;
    const ErrorKind result = exchange_.consume(n);
    expect(result == ErrorKind::ok,
           "what was held was not taken back, " + std::to_string(static_cast<int>(result)));
    if (held_ > 0 && !armed()) later(std::chrono::milliseconds(3));
}

void Handlers::Act::open_tunnel() {
    const ErrorKind result = exchange_.upgrade(101, {});
    expect(result == ErrorKind::ok || result == ErrorKind::closed, "a tunnel was refused");
    if (result != ErrorKind::ok) return;
    started_ = tunnel_ = true;
    body_ended_ = false;
    ++owner_.report_.tunnels;
    if (plan_.credit != UINT64_MAX) exchange_.grant(UINT64_MAX - plan_.credit);
}

/// Sends back what came, then ends when the peer has.
void Handlers::Act::echo() {
    if (waits_for_room_ || fate_.answered) return;
    if (sent_ < got_) {
        const ErrorKind result = send(plan_.tunnel_bytes(sent_, got_ - sent_), {});
        if (result == ErrorKind::again) {
            ++owner_.report_.refused_sends;
            waits_for_room_ = true;
            return;
        }
        expect(result == ErrorKind::ok || result == ErrorKind::closed, "a tunnel's send");
        if (result != ErrorKind::ok) return;
        sent_ = got_;
    }
    if (!body_ended_) return;
    fate_.answered = true;
    const ErrorKind result = exchange_.finish({});
    expect(result == ErrorKind::ok || result == ErrorKind::closed, "a tunnel's end");
    if (result != ErrorKind::ok) fate_.answered = false;
}

// -- all of them ----------------------------------------------------------------------------------

Handlers::Handlers(Report& report) : report_(report) {
    users_[0] = std::make_shared<User>(*this, false);
    users_[1] = std::make_shared<User>(*this, true);
}

Handlers::~Handlers() = default;

std::shared_ptr<link::ExchangeUser> Handlers::user(bool keeps) { return users_[keeps ? 1 : 0]; }

void Handlers::check_ends() {
    for (const auto& [number, fate] : fates_) {
        if (!fate.released) report_.fault("never ended: " + Plan::of(number).describe());
    }
    if (library_.out() != 0) report_.fault("lent bytes did not come back");
}

} // namespace hc::simtest
