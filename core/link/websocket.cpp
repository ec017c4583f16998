#include "core/link/websocket.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "core/base/ascii.hpp"
#include "core/link/shared_message.hpp"

namespace hc::link {

using ws::Opcode;

namespace {

// Twice what a transport lends at once, so that a slice mostly fits into what is left.
constexpr std::uint32_t raw_window = 128 * 1024;
// A held message counts for more than its bytes, so that empty ones are bounded too.
constexpr std::uint64_t message_weight = 64;
constexpr std::int64_t endless = INT64_MAX;

const WebSocketSettings& settings_of(const Exchange& exchange) noexcept {
    static const WebSocketSettings defaults{};
    const WebSocketSettings* own = exchange.context().websocket_settings;
    return own != nullptr ? *own : defaults;
}

bool is_of_handshake(std::string_view name) noexcept {
    constexpr std::string_view prefix = "sec-websocket-";
    return name.size() >= prefix.size() &&
           ascii::equals_ignoring_case(name.substr(0, prefix.size()), prefix);
}

} // namespace

/// What all WebSockets of a context share.
struct WebSocket::Shop final : ContextPart {
    explicit Shop(const ws::DeflateSettings& settings) : workshop(settings) {}
    ws::Workshop workshop;
};

struct WebSocket::Held {
    Chain stash;                    // came and is not decoded yet
    std::deque<ws::Block> messages; // delivered and not consumed
    std::uint64_t taken = 0;        // of the first of them
    std::uint64_t bytes = 0;        // of all of them, less `taken`
    std::string reason;             // as it was reported
    bool idle() const noexcept { return stash.empty() && messages.empty() && reason.empty(); }
};

// -- the handshake --------------------------------------------------------------------------------

namespace {

ErrorKind judge(const Exchange& exchange, const WebSocket::Terms& terms, ws::Request& request) {
    const http::HeadView& head = exchange.head();
    const WebSocketSettings& settings = settings_of(exchange);
    if (const auto bad = ws::read_request(head, settings.deflate, request); bad != ErrorKind::ok) {
        return bad;
    }
    const auto listed = [&](const std::string& o) { return ws::origin_is_listed(head, o); };
    if (!settings.origins.empty() && std::ranges::none_of(settings.origins, listed)) {
        return ErrorKind::permission;
    }
    if (!terms.protocol.empty() && !ws::offers_protocol(head, terms.protocol)) {
        return ErrorKind::invalid;
    }
    const bool stranger = std::ranges::any_of(
        terms.fields, [](const http::Field& f) { return is_of_handshake(f.name()); });
    return stranger ? ErrorKind::invalid : ErrorKind::ok;
}

} // namespace

ErrorKind WebSocket::examine(const Exchange& exchange, const Terms& terms) {
    ws::Request request;
    return judge(exchange, terms, request);
}

ErrorKind WebSocket::accept(Exchange& exchange, const Terms& terms, WebSocketUser& user) {
    if (exchange.closed()) return ErrorKind::closed;
    if (exchange.answer_begun()) return ErrorKind::state;
    ws::Request request;
    if (const auto bad = judge(exchange, terms, request); bad != ErrorKind::ok) return bad;
    std::vector<http::Field> fields(terms.fields.begin(), terms.fields.end());
    std::array<char, 28> accept{};
    const bool extended = exchange.head().method == http::Method::connect;
    if (!extended) {
        accept = ws::accept_value(request.key);
        fields.emplace_back("upgrade", "websocket", http::FieldName::upgrade);
        fields.emplace_back("sec-websocket-accept", std::string_view(accept.data(), accept.size()),
                            http::FieldName::sec_websocket_accept);
    }
    if (!terms.protocol.empty()) {
        fields.emplace_back("sec-websocket-protocol", terms.protocol,
                            http::FieldName::sec_websocket_protocol);
    }
    const std::string extensions = ws::extensions_answer(request.extensions);
    if (!extensions.empty()) {
        fields.emplace_back("sec-websocket-extensions", extensions,
                            http::FieldName::sec_websocket_extensions);
    }
    std::unique_ptr<WebSocket> made(new WebSocket(exchange, user, request.extensions.deflate));
    shop_of(exchange); // while nothing has been said yet: memory may run out
    const ErrorKind result = exchange.upgrade(extended ? 200 : 101, fields);
    if (result != ErrorKind::ok) {
        made->gone_ = true;
        return result;
    }
    WebSocket& accepted = *made;
    exchange.context().counters.websockets_open.add();
    const std::uint64_t granted = exchange.take_credit();
    exchange.set_stage(std::move(made));
    accepted.credit_ = static_cast<std::int64_t>(std::min<std::uint64_t>(granted, endless));
    accepted.arm(accepted.limits().ws_ping_interval_ms);
    accepted.take_more();
    return ErrorKind::ok;
}

ErrorKind WebSocket::refuse(Exchange& exchange, ErrorKind why, SendFlags flags) {
    const int status = ws::refusal_status(why);
    const http::Field version("sec-websocket-version", "13",
                              http::FieldName::sec_websocket_version);
    const std::span<const http::Field> fields{&version, status == 426 ? 1U : 0U};
    flags.fin = true;
    return exchange.respond(status, fields, {}, flags);
}

// -- life -----------------------------------------------------------------------------------------

WebSocket::WebSocket(Exchange& exchange, WebSocketUser& user, const ws::Deflate& agreed)
    : Stage(Kind::websocket), Timer(&WebSocket::on_timer), exchange_(exchange), user_(user),
      decoder_(ws::Role::server, agreed.client), input_at_(exchange.worker().now()),
      bits_(agreed.server.bits), takeover_(agreed.server.takeover) {}

WebSocket::~WebSocket() = default;

WebSocket::Shop& WebSocket::shop_of(const Exchange& exchange) {
    std::unique_ptr<ContextPart>& place = exchange.context().websockets;
    if (place == nullptr) place = std::make_unique<Shop>(settings_of(exchange).deflate);
    return static_cast<Shop&>(*place);
}

ws::Workshop& WebSocket::shop() const { return shop_of(exchange_).workshop; }
const ConnectionLimits& WebSocket::limits() const noexcept { return exchange_.context().limits; }
Instant WebSocket::now() const noexcept { return exchange_.worker().now(); }

/// Nothing is done any more.
void WebSocket::go() {
    if (gone_) return;
    gone_ = true;
    exchange_.context().counters.websockets_open.sub();
    exchange_.worker().timers().cancel(*this);
    subscriptions.reset();
}

void WebSocket::on_release(Exchange&) {
    if (!gone_ && !close_sent_ && !exchange_.closed()) put_close(ws::code::going_away, {});
    go();
}

void WebSocket::on_closed(Exchange& exchange, ErrorKind why) {
    const bool clean = close_sent_ && close_received_;
    if (!reported_) report_end(ws::code::abnormal, {});
    go();
    if (exchange.released()) return;
    if (clean) {
        why = ErrorKind::ok; // who ended the connection below it does not matter
    } else if (failed_) {
        why = ErrorKind::protocol;
    } else if (timed_out_) {
        why = ErrorKind::timeout;
    } else if (why == ErrorKind::ok) {
        why = ErrorKind::reset;
    }
    exchange.user().on_closed(exchange, why);
}

bool WebSocket::on_going_away(Exchange&) {
    if (gone_) return false;
    if (open()) close(ws::code::going_away, {});
    return true;
}

/// The user is told, once. `reason` is lent unless it is kept here.
void WebSocket::report_end(std::uint16_t number, std::string_view reason) {
    if (reported_ || exchange_.released()) return;
    reported_ = true;
    subscriptions.reset();
    if (user_.keeps_messages() && !reason.empty()) {
        if (held_ == nullptr) held_ = std::make_unique<Held>();
        held_->reason = reason;
        reason = held_->reason;
    }
    const bool clean = close_sent_ && close_received_;
    user_.on_ws_closed(exchange_, {.code = number, .reason = reason, .clean = clean});
}

/// The peer broke a rule: it is told which, and nothing it says is of interest any more.
void WebSocket::fail(const ws::Failure& failure) {
    failed_ = true;
    exchange_.context().counters.protocol_errors.add();
    if (!close_sent_) put_close(failure.code, failure.text);
    end_our_side();
    report_end(failure.code, failure.text);
}

/// Both have said what they had to say. The server ends the connection, and waits for the peer to
/// do the same, so that the last bytes are not lost (RFC 6455, section 7.1.1).
void WebSocket::end_our_side() {
    ended_ = true;
    if (held_ != nullptr) held_->stash.clear();
    arm(limits().ws_close_timeout_ms);
    exchange_.finish({});
}

ErrorKind WebSocket::close(std::uint16_t number, std::string_view reason) {
    if (gone_ || close_sent_ || close_received_ || ended_) return ErrorKind::closed;
    const bool bad =
        (number != ws::code::absent && !ws::may_be_sent(number)) || !ws::is_utf8(reason);
    if (bad || reason.size() > ws::reason_bytes_max) return ErrorKind::invalid;
    put_close(number, reason);
    arm(limits().ws_close_timeout_ms);
    exchange_.wake_stage(); // the peer's Close may wait behind messages that nobody wants
    return ErrorKind::ok;
}

// -- time -----------------------------------------------------------------------------------------

void WebSocket::arm(std::uint32_t after_ms) {
    const Instant at = after_ms == 0 ? Instant::never() : now() + milliseconds(after_ms);
    exchange_.worker().timers().set(*this, at);
}

void WebSocket::on_timer(runtime::Timer& timer) noexcept {
    static_cast<WebSocket&>(timer).expire();
}

void WebSocket::expire() {
    if (gone_) return;
    const bool was_open = open();
    if (was_open && !peer_is_lost()) return;
    // How long a peer may take to read what comes before our Close is not for this clock to say.
    if (!was_open && exchange_.output_waits()) return arm(limits().ws_close_timeout_ms);
    // The peer does not answer: our ping, our Close, or the end of our side. on_closed follows.
    timed_out_ = true;
    exchange_.context().counters.timeouts.add();
    if (was_open) exchange_.abort(0);
    else exchange_.leave(); // what comes before our Close may be on its way still
}

/// Looks after a peer that nothing was heard of.
bool WebSocket::peer_is_lost() {
    const ConnectionLimits& most = limits();
    const Instant quiet_until = input_at_ + milliseconds(most.ws_ping_interval_ms);
    const bool not_listening = held_ != nullptr && !held_->stash.empty();
    if (quiet_until > now()) {
        exchange_.worker().timers().set(*this, quiet_until);
    } else if (not_listening) {
        arm(most.ws_ping_interval_ms); // its pong may be among what is not decoded yet
    } else if (pong_awaited_) {
        return true;
    } else {
        put_control(Opcode::ping, {});
        pong_awaited_ = most.ws_pong_timeout_ms != 0;
        arm(pong_awaited_ ? most.ws_pong_timeout_ms : most.ws_ping_interval_ms);
    }
    return false;
}

// -- input ----------------------------------------------------------------------------------------

void WebSocket::on_body(Exchange&, std::string_view bytes) {
    raw_left_ -= static_cast<std::uint32_t>(bytes.size());
    input_at_ = now();
    pong_awaited_ = false;
    if (held_ != nullptr && !held_->stash.empty()) {
        held_->stash.append(bytes); // behind what waits
        return;
    }
    if (!ended_) {
        process(bytes);
        if (!bytes.empty() && !ended_ && !gone_) return stash(bytes);
    }
    take_more();
}

void WebSocket::stash(std::string_view rest) {
    if (held_ == nullptr) held_ = std::make_unique<Held>();
    held_->stash.append(rest);
}

/// Lets the exchange bring more.
void WebSocket::take_more() {
    if (gone_ || raw_left_ > raw_window / 2) return;
    const std::uint32_t more = raw_window - raw_left_;
    raw_left_ = raw_window;
    exchange_.grant(more);
}

/// Something that stopped messages may be over.
void WebSocket::on_wake(Exchange&) {
    if (held_ != nullptr && !held_->stash.empty()) {
        // Outside of this object while the user is called, who may consume what is in it.
        Chain waiting = std::move(held_->stash);
        while (!waiting.empty()) {
            const std::string_view bytes{waiting.head()->data, waiting.head()->size};
            std::string_view rest = bytes;
            if (!ended_) process(rest);
            if (gone_) return;
            if (ended_) rest = {};
            waiting.consume(bytes.size() - rest.size());
            if (!rest.empty()) break;
        }
        if (!waiting.empty()) {
            if (held_ == nullptr) held_ = std::make_unique<Held>();
            held_->stash = std::move(waiting);
            return;
        }
        tidy();
    }
    if (input_ended_) return end_of_input();
    take_more();
}

void WebSocket::tidy() noexcept {
    if (held_ != nullptr && held_->idle()) held_.reset();
}

/// The user has as much as it may hold.
bool WebSocket::full() const noexcept {
    if (held_ == nullptr) return false;
    const std::uint64_t weight = held_->bytes + held_->messages.size() * message_weight;
    return weight >= limits().exchange_buffer_bytes_max;
}

/// Whether the next frame may be decoded. Control frames need nobody's leave.
bool WebSocket::may_decode(std::string_view input) const noexcept {
    if (output_full_) return false;
    if (close_sent_ || (credit_ > 0 && !full())) return true;
    return decoder_.idle() && !input.empty() && (static_cast<std::uint8_t>(input[0]) & 8U) != 0;
}

void WebSocket::process(std::string_view& input) {
    std::uint64_t made = 0; // a few bytes may be inflated to many: others get their turn, too
    while (!ended_ && !gone_ && may_decode(input)) {
        if (made >= limits().read_turn_bytes_max) return exchange_.wake_stage();
        switch (decoder_.next(input, limits(), shop())) {
        case ws::Decoder::Event::need_input: return;
        case ws::Decoder::Event::message:
            made += shop().found.bytes.size();
            deliver();
            break;
        case ws::Decoder::Event::ping: take_ping(); break;
        case ws::Decoder::Event::pong: rate_is_fine(); break;
        case ws::Decoder::Event::close: take_close(); break;
        case ws::Decoder::Event::failed: fail(shop().found.failure); break;
        }
    }
}

void WebSocket::deliver() {
    // Only behind our own Close: nobody has asked for it.
    if (credit_ <= 0 || full()) return;
    const Opcode opcode = shop().found.opcode;
    std::string_view bytes = shop().found.bytes;
    if (credit_ != endless) credit_ -= static_cast<std::int64_t>(bytes.size());
    exchange_.context().counters.websocket_messages_received.add();
    if (user_.keeps_messages()) {
        if (held_ == nullptr) held_ = std::make_unique<Held>();
        held_->messages.push_back(shop().take_found());
        bytes = held_->messages.back().view();
        held_->bytes += bytes.size();
    }
    user_.on_message(exchange_, opcode, bytes);
}

/// Pings and pongs cost the peer next to nothing, and us a look and an answer each.
bool WebSocket::rate_is_fine() {
    const auto second = static_cast<std::uint16_t>(now().ns / 1'000'000'000);
    if (second != second_) {
        second_ = second;
        controls_ = 0;
    }
    if (++controls_ <= limits().ws_controls_per_s_max) return true;
    fail({ws::code::policy, "too many control frames"});
    return false;
}

void WebSocket::take_ping() {
    if (!rate_is_fine() || close_sent_) return;
    put_control(Opcode::pong, shop().found.bytes);
    if (exchange_.may_send() == ErrorKind::again) output_full_ = true;
}

void WebSocket::take_close() {
    ws::CloseText said;
    ws::read_close(shop().found.bytes, said); // which it was, or the decoder had failed
    close_received_ = true;
    const std::string reason(said.reason);
    if (!close_sent_) put_close(said.code, {});
    end_our_side();
    report_end(said.code, reason);
}

void WebSocket::on_body_end(Exchange&) {
    input_ended_ = true;
    if (held_ == nullptr || held_->stash.empty()) end_of_input();
}

/// The peer ended its side of the connection.
void WebSocket::end_of_input() {
    if (ended_) return;
    end_our_side();
    report_end(ws::code::abnormal, {});
}

ErrorKind WebSocket::grant(std::uint64_t credit) {
    if (gone_) return ErrorKind::closed;
    const auto more = static_cast<std::int64_t>(std::min<std::uint64_t>(credit, endless));
    const bool beyond = more == endless || (credit_ > 0 && more > endless - credit_);
    credit_ = beyond ? endless : credit_ + more;
    exchange_.wake_stage();
    return ErrorKind::ok;
}

ErrorKind WebSocket::consume(std::uint64_t bytes) {
    if (held_ == nullptr || held_->messages.empty()) {
        return bytes == 0 ? ErrorKind::ok : ErrorKind::invalid;
    }
    if (bytes > held_->bytes) return ErrorKind::invalid;
    held_->bytes -= bytes;
    std::deque<ws::Block>& messages = held_->messages;
    if (bytes == 0 && messages.front().size() == 0) messages.pop_front();
    while (bytes > 0) {
        const std::uint64_t left = messages.front().size() - held_->taken;
        if (left > bytes) {
            held_->taken += bytes;
            break;
        }
        bytes -= left;
        held_->taken = 0;
        messages.pop_front();
    }
    if (!gone_) exchange_.wake_stage();
    return ErrorKind::ok;
}

// -- output ---------------------------------------------------------------------------------------

void WebSocket::on_writable(Exchange& exchange) {
    if (output_full_) exchange.wake_stage();
    output_full_ = false;
    if (!writable_wanted_) return;
    writable_wanted_ = false;
    exchange.user().on_writable(exchange);
}

void WebSocket::want_writable() {
    writable_wanted_ = true;
    exchange_.want_writable();
}

bool WebSocket::compresses(Opcode opcode, std::uint64_t size) const noexcept {
    return bits_ != 0 && !is_control(opcode) && size >= settings_of(exchange_).deflate.bytes_min;
}

void WebSocket::put_control(Opcode opcode, std::string_view payload) {
    char frame[2 + ws::control_bytes_max];
    char* end = ws::write_frame_head(frame, opcode, true, false, payload.size(), nullptr);
    end = std::copy(payload.begin(), payload.end(), end);
    exchange_.send_anyway({frame, end});
}

void WebSocket::put_close(std::uint16_t number, std::string_view reason) {
    close_sent_ = true;
    char payload[ws::control_bytes_max];
    const char* end = ws::write_close(payload, number, reason);
    put_control(Opcode::close, {payload, end});
}

ErrorKind WebSocket::put_compressed(Opcode opcode, std::string_view bytes) {
    ws::Block& out = shop().outgoing();
    out.reserve(ws::frame_head_bytes_max); // room for the head, whose size is not known yet
    out.commit(ws::frame_head_bytes_max);
    if (takeover_ && own_deflater_ == nullptr) {
        own_deflater_ = std::make_unique<ws::Deflater>(bits_, settings_of(exchange_).deflate);
    }
    ws::Deflater& deflater = takeover_ ? *own_deflater_ : shop().deflater(bits_);
    deflater.compress(bytes, out);
    std::string_view made = out.view().substr(ws::frame_head_bytes_max);
    char head[ws::frame_head_bytes_max];
    const char* end = ws::write_frame_head(head, opcode, true, true, made.size(), nullptr);
    const auto n = static_cast<std::size_t>(end - head);
    // Right before the bytes, so that both leave in one piece.
    char* front = const_cast<char*>(made.data()) - n; // NOLINT: it is the block's, and ours
    std::copy_n(head, n, front);
    return exchange_.send_anyway({front, n + made.size()});
}

/// The frame, once it is sure that it is taken. Exactly one of the two carries bytes.
ErrorKind WebSocket::put(Opcode opcode, std::string_view bytes, Chain* lent) {
    constexpr std::size_t small = 1024; // copied once more rather than sent in two pieces
    const std::uint64_t size = lent != nullptr ? lent->size() : bytes.size();
    if (!is_control(opcode)) exchange_.context().counters.websocket_messages_sent.add();
    const bool one_piece = lent == nullptr || (lent->head() != nullptr && !lent->head()->next);
    if (compresses(opcode, size) && one_piece) {
        if (lent != nullptr) bytes = {lent->head()->data, lent->head()->size};
        const ErrorKind result = put_compressed(opcode, bytes);
        if (lent != nullptr && result == ErrorKind::ok) lent->consume(size);
        return result;
    }
    char frame[ws::frame_head_bytes_max + small];
    char* end = ws::write_frame_head(frame, opcode, true, false, size, nullptr);
    if (lent == nullptr && size <= small) {
        end = std::copy(bytes.begin(), bytes.end(), end);
        return exchange_.send_anyway({frame, end});
    }
    if (const auto bad = exchange_.send_anyway({frame, end}); bad != ErrorKind::ok) return bad;
    return lent != nullptr ? exchange_.send_anyway(*lent) : exchange_.send_anyway(bytes);
}

ErrorKind WebSocket::send(Opcode opcode, std::string_view bytes) {
    if (gone_ || !open()) return ErrorKind::closed;
    if (is_control(opcode) && bytes.size() > ws::control_bytes_max) return ErrorKind::invalid;
    const ErrorKind may = exchange_.may_send();
    if (may == ErrorKind::again) writable_wanted_ = true;
    return may == ErrorKind::ok ? put(opcode, bytes, nullptr) : may;
}

ErrorKind WebSocket::send(Opcode opcode, Chain& lent) {
    if (gone_ || !open()) return ErrorKind::closed;
    if (is_control(opcode) && lent.size() > ws::control_bytes_max) return ErrorKind::invalid;
    const ErrorKind may = exchange_.may_send();
    if (may == ErrorKind::again) writable_wanted_ = true;
    return may == ErrorKind::ok ? put(opcode, {}, &lent) : may;
}

ErrorKind WebSocket::send_arrived(Opcode opcode, Chain& bytes, std::uint64_t accepted) {
    // A Close may have come meanwhile: its sender is told by that, and loses nothing else.
    const bool dropped = gone_ || !open();
    const ErrorKind result = dropped ? ErrorKind::ok : put(opcode, {}, &bytes);
    exchange_.arrived(accepted);
    return result;
}

std::string_view WebSocket::form_of(SharedMessage& message) {
    if (!compresses(message.kind(), message.payload().size())) return message.frame();
    // Our own context does not know what the peer has read then.
    if (own_deflater_ != nullptr) own_deflater_->begin_anew();
    return message.compressed_frame(bits_, shop());
}

std::size_t WebSocket::send_shared(std::span<const SharedMessageRef> messages) {
    constexpr std::size_t pieces_max = 16;
    if (gone_ || !open()) return messages.size();
    Counter& counter = exchange_.context().counters.websocket_messages_sent;
    std::size_t sent = 0;
    for (std::size_t count = 0; sent < messages.size(); sent += count) {
        std::array<sys::ConstBuffer, pieces_max> pieces;
        count = std::min(messages.size() - sent, pieces_max);
        for (std::size_t i = 0; i < count; ++i) {
            const std::string_view form = form_of(*messages[sent + i]);
            pieces[i] = {form.data(), form.size()};
        }
        std::size_t taken = exchange_.send_at_once({pieces.data(), count});
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t gone = std::min(taken, pieces[i].size);
            taken -= gone;
            if (gone == pieces[i].size) continue;
            // One that has begun to leave is sent to its end.
            if (gone == 0 && exchange_.over_watermark()) {
                counter.add(i);
                return sent + i;
            }
            put_shared(exchange_, *messages[sent + i],
                       {pieces[i].data + gone, pieces[i].size - gone});
        }
        counter.add(count);
    }
    return sent;
}

ErrorKind put_shared(Exchange& exchange, SharedMessage& message, std::string_view form) {
    constexpr std::size_t small = 1024; // copied: a chunk of a chain costs more than that
    if (form.size() <= small) return exchange.send_anyway(form);
    Chain chain;
    message.lend(chain, form);
    return exchange.send_anyway(chain);
}

} // namespace hc::link
