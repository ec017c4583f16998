// Coding: what an exchange has whose answer is coded or whose request is decoded. Others have none.
//
//   user --send, finish--> Exchange --> ResponseCoding --> driver
//   user <---on_body------ Exchange <--- RequestCoding <--- driver (push_body, end_body)
//
// ResponseCoding is the exchange's driver in the place of the real one, from the head on. Up to
// piece_bytes a pass are coded within the calls that send them. What goes beyond, and ranges of
// files, wait in a chain and are coded a piece a pass, while the driver has room; what waits counts
// as queued, so that whoever sends until it is told to wait is told so. So an answer may be
// finished and its exchange released before all of it is coded: the driver hears of both
// afterwards.
//
// Held back. An event stream is flushed behind every send. Any other stream is flushed at the end
// of the pass in which something was sent: no client waits for bytes that an encoder has, and what
// is sent in one pass is coded together.
//
// RequestCoding keeps coded bytes while the exchange's buffer is full: what comes out of them is
// bounded as any body is, and reading stops while there are some.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/chain.hpp"
#include "core/http/field.hpp"
#include "core/link/coder.hpp"
#include "core/link/exchange.hpp"
#include "core/proto/coding/decoder.hpp"

namespace hc::link {

class ResponseCoding final : public ExchangeDriver {
public:
    /// For an answer whose head was handed to `driver`.
    ResponseCoding(Exchange& exchange, ExchangeDriver& driver, Coder& coder, CodedAnswer& answer);
    ~ResponseCoding();
    ResponseCoding(const ResponseCoding&) = delete;
    ResponseCoding& operator=(const ResponseCoding&) = delete;

    ErrorKind drive_respond(Exchange&, const Answer&) override { return ErrorKind::state; }
    ErrorKind drive_interim(Exchange&, int, std::span<const http::Field>) override {
        return ErrorKind::state;
    }
    ErrorKind drive_upgrade(Exchange&, int, std::span<const http::Field>) override {
        return ErrorKind::state;
    }
    ErrorKind drive_promise(Exchange& exchange, const Promise& promise) override {
        return driver_.drive_promise(exchange, promise);
    }
    ErrorKind drive_send(Exchange& exchange, Chain* lent, std::string_view bytes) override;
    bool drive_suffices(const Exchange& exchange, std::uint64_t size) const noexcept override;
    ErrorKind drive_finish(Exchange& exchange, std::span<const http::Field> trailers) override;
    void drive_abort(Exchange& exchange, std::uint64_t code) override;
    void drive_leave(Exchange& exchange) override { drive_abort(exchange, 0); }
    void drive_body_room(Exchange& exchange) override { driver_.drive_body_room(exchange); }
    void drive_released(Exchange& exchange) override;
    std::uint64_t drive_queued(const Exchange& exchange) const noexcept override;
    const Transport& transport() const noexcept override { return driver_.transport(); }
    const ConnectionLimits& limits() const noexcept override { return driver_.limits(); }

    /// At the end of a pass: codes some of what waits, else flushes. The driver may let go of the
    /// exchange in here.
    void run();
    /// There may be something for run() to do.
    bool is_due() const noexcept;
    /// Nobody reads the rest.
    void drop() noexcept;
    std::uint64_t bytes() const noexcept { return bytes_; } // coded

private:
    class KeptFields;

    bool encode(std::string_view bytes, coding::Flush flush);
    bool encode(const Chain& bytes);
    bool encode_now(const Chain* lent, std::string_view bytes);
    ErrorKind encode_waiting();
    ErrorKind go_on();
    ErrorKind hand_over();
    ErrorKind end(std::span<const http::Field> trailers);
    void fail();

    Exchange& exchange_;
    ExchangeDriver& driver_;
    Coder& coder_;
    LentEncoder encoder_;
    Chain out_;     // coded within a call
    Chain waiting_; // not coded yet
    std::unique_ptr<KeptFields> trailers_;
    std::optional<std::uint64_t> left_; // announced, and not sent yet
    std::uint64_t bytes_ = 0;
    std::uint64_t spent_ = 0; // coded within calls of this pass
    const bool eager_;
    bool unflushed_ = false; // the encoder may hold something back
    bool finishing_ = false; // the end comes behind what waits
    bool released_ = false;  // and so does the release
    bool failed_ = false;
};

class RequestCoding {
public:
    RequestCoding(Exchange& exchange, Coder& coder, std::span<const http::ContentCoding> applied,
                  const coding::DecoderLimits& limits);
    ~RequestCoding();
    RequestCoding(const RequestCoding&) = delete;
    RequestCoding& operator=(const RequestCoding&) = delete;

    /// Coded bytes came, lent.
    void push(std::string_view bytes);
    /// All have come.
    void end();
    /// Goes on with what waits, as far as there is room.
    void run();
    bool waits() const noexcept { return !waiting_.empty() || !dry_; }

private:
    void decode(std::string_view& bytes);
    void refuse(coding::Decoded why);
    void give_up() noexcept;

    Exchange& exchange_;
    Coder& coder_;
    coding::BodyDecoder decoder_;
    Chain waiting_;
    bool dry_ = true; // the decoder has nothing left to give without input
    bool all_came_ = false;
    bool over_ = false; // all is decoded, or never will be
};

/// What the Content-Encoding of a request calls for.
class RequestJudgement {
public:
    enum class Outcome : std::uint8_t { plain, decode, unknown, too_many };

    /// `request` outlives this.
    RequestJudgement(Coder& coder, const http::HeadView& request);

    Outcome outcome() const noexcept { return outcome_; }
    std::span<const http::ContentCoding> applied() const noexcept { return applied_.list(); }
    /// The head as it is for the user: without Content-Encoding and Content-Length, which tell of
    /// the body as it was sent.
    const http::HeadView& head() const noexcept { return head_; }

private:
    Outcome outcome_ = Outcome::plain;
    http::AppliedCodings applied_;
    http::HeadView head_;
    std::vector<http::FieldRef> fields_;
};

/// What few exchanges have, so that the others pay for one pointer.
struct Exchange::Extras {
    std::unique_ptr<ResponseCoding> response;
    std::unique_ptr<RequestCoding> request;
    std::unique_ptr<Stage> stage;
    http::OwnedHead trailers;
};

} // namespace hc::link
