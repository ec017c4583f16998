#include "core/link/h2_driver.hpp"

#include <utility>

#include "core/link/h2_shared.hpp"

namespace hc::link {

// -- life -----------------------------------------------------------------------------------------

std::shared_ptr<H2Driver::Shared> H2Driver::shared_of(ConnectionContext& context) {
    if (context.h2 == nullptr) context.h2 = std::make_shared<Shared>();
    return std::static_pointer_cast<Shared>(context.h2);
}

H2Driver::H2Driver(ConnectionContext& context, std::unique_ptr<Transport> transport)
    : Timer(&H2Driver::on_timer), context_(context), shared_(shared_of(context)),
      transport_(std::move(transport)), input_at_(context.worker.now()), output_at_(input_at_),
      head_at_(input_at_), idle_at_(input_at_), secure_(transport_->secure()) {}

H2Driver::~H2Driver() {
    bury();
    if (session_ == nullptr) return;
    auto& streams = session_->streams();
    while (!streams.empty()) shared_->back(static_cast<H2Stream&>(streams.front()));
}

H2Driver& H2Driver::start(ConnectionContext& context, std::unique_ptr<Transport> transport) {
    auto* driver = new H2Driver(context, std::move(transport));
    driver->transport_->set_user(*driver);
    driver->session_ = h2::Session::server(context.limits, driver->shared_->scratch, *driver,
                                           context.worker.now());
    context.connections.push_back(*driver);
    context.counters.connections_open.add();
    context.counters.h2_connections.add();
    if (driver->session_ == nullptr) { // no memory
        driver->vanish(true);
        return *driver;
    }
    if (context.draining) driver->drain();
    driver->flush_later();
    driver->rearm();
    return *driver;
}

h2::Stream* H2Driver::make_stream() noexcept {
    H2Stream* stream = shared_->make(*this);
    if (stream != nullptr) ++live_;
    return stream;
}

// -- input ----------------------------------------------------------------------------------------

void H2Driver::on_data(std::string_view slice) {
    context_.counters.bytes_received.add(slice.size());
    input_at_ = context_.worker.now();
    if (phase_ == Phase::lingering) {
        discarded_ += slice.size();
        if (discarded_ > context_.limits.discard_bytes_max) vanish(true);
    }
    if (phase_ != Phase::open) return;
    in_data_ = true;
    // What begins in this slice begins now; what began before keeps its time.
    if (session_->introduced() && !session_->in_head()) head_at_ = input_at_;
    if (session_->receive(slice, input_at_)) {
        act();
    } else {
        session_->clear_events();
        lose_all(ErrorKind::protocol);
    }
    in_data_ = false;
    flush();
    rearm();
}

/// Does what the session has recorded.
void H2Driver::act() {
    for (const h2::Event& event : session_->events()) {
        act_on(event);
        if (phase_ == Phase::gone) return;
    }
    session_->clear_events();
}

void H2Driver::act_on(const h2::Event& event) {
    using Kind = h2::Event::Kind;
    auto* stream = static_cast<H2Stream*>(event.stream);
    switch (event.kind) {
    case Kind::head: return begin_exchange(*stream, session_->head(event.number));
    case Kind::trailers: return take_trailers(*stream, session_->head(event.number));
    case Kind::data: return take_data(*stream, event.data);
    case Kind::end: return take_end(*stream, {});
    case Kind::sent:
        stream->end_at_ = written_;
        end_unwanted(*stream);
        return settle(*stream);
    case Kind::moved:
        stream->moved = false;
        if (stream->exchange_ != nullptr) stream->exchange_->on_written();
        return;
    case Kind::closed: return stream_closed(*stream, event.by_us);
    case Kind::shook:
    case Kind::interim:
    case Kind::leaving: return; // the latter two are a client's
    case Kind::pong:
        pinged_ = false;
        if (leaving_ == Leaving::announced) stop_accepting();
        return;
    }
}

void H2Driver::begin_exchange(H2Stream& stream, h2::Head& head) {
    if (stream.closed) return; // reset by now: no work for that
    const ConnectionLimits& limits = context_.limits;
    const http::Method method = head.view.method;
    stream.head_request_ = method == http::Method::head;
    stream.request_read_ = head.ended;
    stream.input_at_ = context_.worker.now();
    if (!stream.is_promised() && live_ - pushes_ > limits.h2_streams_max) {
        session_->guard().count(h2::Glitch::refused, stream.input_at_, 5);
        session_->reset(stream, h2::Code::refused_stream);
        return;
    }
    if (head.refusal.status != 0) return refuse(stream, head.refusal.status);
    stream.announced_ = head.content_length;
    stream.connect_ = method == http::Method::connect;
    stream.continue_wanted_ = head.expects_continue && !head.ended;
    ++requests_;
    context_.counters.requests.add();
    stream.exchange_ = Exchange::create(context_, stream);
    if (stream.exchange_ == nullptr) {
        context_.counters.requests_refused.add();
        return answer_simply(stream, 503, context_.retry_after_s);
    }
    const std::uint64_t most = limits.requests_per_connection_max;
    if (most != 0 && requests_ >= most) drain();
    // A tunnel's bytes are no body.
    stream.exchange_->begin(head.view, secure_, head.ended || stream.connect_);
}

void H2Driver::take_data(H2Stream& stream, std::string_view bytes) {
    stream.received_ += bytes.size();
    stream.input_at_ = input_at_;
    if (stream.body_is_unwanted()) return discard(stream, bytes);
    const std::uint64_t most = context_.limits.body_bytes_max;
    if (most != 0 && stream.received_ > most && !stream.connect_) {
        discard(stream, bytes);
        context_.counters.protocol_errors.add();
        return drop(stream, ErrorKind::protocol, 413, 0);
    }
    if (stream.waits_for_tunnel()) {
        if (stream.early_ == nullptr) stream.early_ = std::make_unique<Chain>();
        stream.early_->append(bytes);
    } else {
        stream.exchange_->push_body(bytes);
    }
    withheld_ += bytes.size();
    account(stream);
}

/// Nobody wants the body, so its stream's window stays as it is; siblings need the connection's.
void H2Driver::discard(H2Stream& stream, std::string_view bytes) {
    stream.discarding_ = true;
    session_->give_back(bytes.size());
    end_unwanted(stream);
}

/// Brings the windows up to what the stream's exchange holds now.
void H2Driver::account(H2Stream& stream) {
    std::uint64_t holds = stream.early_ != nullptr ? stream.early_->size() : 0;
    if (stream.exchange_ != nullptr && !stream.told_ && !stream.exchange_->released()) {
        holds += stream.exchange_->buffered();
    }
    held_ += holds - stream.held_;
    stream.held_ = holds;
    const std::uint64_t used = stream.received_ - holds;
    if (used > stream.returned_ && !stream.discarding_) {
        session_->give_back(stream, used - stream.returned_);
        stream.returned_ = used;
    }
    if (withheld_ > 0 && held_ <= context_.limits.h2_connection_buffer_bytes_max) {
        session_->give_back(std::exchange(withheld_, 0));
    }
}

void H2Driver::take_trailers(H2Stream& stream, const h2::Head& head) {
    if (head.refusal.status == 0) return take_end(stream, head.view);
    stream.request_read_ = true;
    if (stream.body_is_unwanted()) return;
    context_.counters.protocol_errors.add();
    drop(stream, ErrorKind::protocol, head.refusal.status, 0);
}

void H2Driver::take_end(H2Stream& stream, const http::HeadView& trailers) {
    if (std::exchange(stream.request_read_, true)) return;
    Exchange* exchange = stream.exchange_;
    if (exchange != nullptr && !stream.told_ && !stream.discarding_ && !stream.waits_for_tunnel() &&
        !exchange->request_ended()) {
        exchange->end_body(trailers);
    }
    settle(stream);
}

/// Gives the exchange what came before its tunnel was open.
void H2Driver::open_tunnel(H2Stream& stream) {
    stream.opening_ = false;
    if (const std::unique_ptr<Chain> early = std::move(stream.early_)) {
        while (!early->empty() && stream.exchange_ != nullptr && !stream.told_) {
            const Chunk& chunk = *early->head();
            stream.exchange_->push_body({chunk.data, static_cast<std::size_t>(chunk.size)});
            early->consume(chunk.size);
        }
        account(stream);
    }
    if (stream.request_read_ && stream.exchange_ != nullptr && !stream.told_ &&
        !stream.exchange_->request_ended()) {
        stream.exchange_->end_body({});
        settle(stream);
    }
}

void H2Driver::open_tunnels() {
    opening_ = false;
    each_stream([this](H2Stream& stream) {
        if (stream.opening_) open_tunnel(stream);
    });
}

/// What is left of a request that nobody wants is more than its window lets through soon.
bool H2Stream::rest_is_long() const noexcept {
    const std::uint64_t some = static_cast<std::uint64_t>(window.size()) / 2;
    return received_ - returned_ > some || announced_ > received_ + some;
}

bool H2Stream::body_is_unwanted() const noexcept {
    return discarding_ || exchange_ == nullptr || told_ || exchange_->released() ||
           exchange_->closed() || (answered_ && !tunnel_ && !exchange_->wants_body());
}

} // namespace hc::link
