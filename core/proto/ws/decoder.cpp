#include "core/proto/ws/decoder.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace hc::ws {

// -- Workshop -------------------------------------------------------------------------------------

Workshop::Workshop(const DeflateSettings& settings) : settings_(settings) {}
Workshop::~Workshop() = default;

std::span<char> Workshop::scratch() {
    if (scratch_ == nullptr) scratch_ = std::make_unique_for_overwrite<char[]>(scratch_bytes);
    return {scratch_.get(), scratch_bytes};
}

Deflater& Workshop::deflater(std::uint8_t bits) {
    std::unique_ptr<Deflater>& place = deflaters_[bits];
    if (place == nullptr) {
        place = std::make_unique<Deflater>(bits, settings_);
    } else {
        place->begin_anew();
    }
    return *place;
}

Inflater& Workshop::inflater() {
    if (inflater_ == nullptr) {
        inflater_ = std::make_unique<Inflater>(window_bits_max);
    } else {
        inflater_->begin_anew();
    }
    return *inflater_;
}

Block& Workshop::outgoing() noexcept {
    if (outgoing_.capacity() > scratch_bytes) outgoing_.clear(); // a rare big message needed it
    outgoing_.truncate(0);
    return outgoing_;
}

std::unique_ptr<Progress> Workshop::progress() {
    if (spare_ == nullptr) return std::make_unique<Progress>();
    return std::move(spare_);
}

void Workshop::give_back(std::unique_ptr<Progress> progress) noexcept {
    *progress = {};
    spare_ = std::move(progress);
}

Block Workshop::take_found() {
    Block taken;
    if (found.block != nullptr) {
        taken = std::move(*found.block);
    } else {
        taken.append(found.bytes);
    }
    found.block = nullptr;
    found.bytes = taken.view();
    return taken;
}

// -- Decoder --------------------------------------------------------------------------------------

/// One call of next(), with what it was given.
class Decoder::Step {
public:
    Step(Decoder& decoder, std::string_view& input, const ConnectionLimits& limits, Workshop& shop)
        : self_(decoder), input_(input), limits_(limits), shop_(shop) {}

    /// need_input here means: go on, unless the input is used up.
    Event run();

private:
    Event begin_frame();
    Event begin_payload(const FrameHead& head);
    Failure examine_order(const FrameHead& head) const noexcept;
    Event whole_message(const FrameHead& head);
    Event take_payload();
    Event end_frame();
    Event control_event(Opcode opcode, std::string_view payload) noexcept;
    Event message_event(Opcode opcode, bool compressed, Block* block, std::string_view bytes);
    Event fail(Failure failure) noexcept;
    Progress& progress();
    void let_go() noexcept { shop_.give_back(std::move(self_.progress_)); }

    Decoder& self_;
    std::string_view& input_;
    const ConnectionLimits& limits_;
    Workshop& shop_;
};

Decoder::Event Decoder::next(std::string_view& input, const ConnectionLimits& limits,
                             Workshop& shop) {
    if (failed_) return Event::failed;
    Step step(*this, input, limits, shop);
    for (;;) {
        const Event event = step.run();
        if (event != Event::need_input || input.empty()) return event;
    }
}

Progress& Decoder::Step::progress() {
    if (self_.progress_ == nullptr) self_.progress_ = shop_.progress();
    return *self_.progress_;
}

Decoder::Event Decoder::Step::fail(Failure failure) noexcept {
    self_.failed_ = true;
    self_.progress_.reset();
    shop_.found = {};
    shop_.found.failure = failure;
    return Event::failed;
}

Decoder::Event Decoder::Step::run() {
    Progress* under_way = self_.progress_.get();
    if (under_way != nullptr && under_way->handed_out) {
        let_go();
        under_way = nullptr;
    }
    if (under_way != nullptr && under_way->in_frame) return take_payload();
    if (input_.empty()) return Event::need_input;
    return begin_frame();
}

/// Reads a head, maybe from several slices.
Decoder::Event Decoder::Step::begin_frame() {
    Progress* under_way = self_.progress_.get();
    const bool compression = self_.bits_ != 0;
    if (under_way == nullptr || under_way->head_bytes == 0) {
        const std::size_t needed = frame_head_bytes(input_);
        const std::size_t there = std::min(needed, input_.size());
        const std::string_view head = input_.substr(0, there);
        if (const Failure bad = examine_frame_head(head, self_.role_, compression); bad.code != 0) {
            return fail(bad);
        }
        input_.remove_prefix(there);
        if (there == needed) return begin_payload(read_frame_head(head.data()));
        Progress& kept = progress();
        std::memcpy(kept.head, head.data(), there);
        kept.head_bytes = static_cast<std::uint8_t>(there);
        return Event::need_input;
    }
    while (!input_.empty()) {
        under_way->head[under_way->head_bytes++] = input_.front();
        input_.remove_prefix(1);
        const std::string_view head{under_way->head, under_way->head_bytes};
        if (const Failure bad = examine_frame_head(head, self_.role_, compression); bad.code != 0) {
            return fail(bad);
        }
        if (frame_head_bytes(head) > head.size()) continue;
        under_way->head_bytes = 0;
        return begin_payload(read_frame_head(head.data()));
    }
    return Event::need_input;
}

/// Whether the frame may come now, and may be as large as it says.
Failure Decoder::Step::examine_order(const FrameHead& head) const noexcept {
    if (is_control(head.opcode)) return {};
    const Progress* under_way = self_.progress_.get();
    const bool in_message = under_way != nullptr && under_way->in_message;
    if (head.opcode == Opcode::continuation && !in_message) {
        return {code::protocol, "a continuation of nothing"};
    }
    if (head.opcode != Opcode::continuation && in_message) {
        return {code::protocol, "a new message inside of another"};
    }
    if (limits_.ws_frame_bytes_max != 0 && head.size > limits_.ws_frame_bytes_max) {
        return {code::too_big, "the frame is too big"};
    }
    // What is compressed may be a little longer than the message: its own framing.
    const bool compressed = in_message ? under_way->compressed : head.compressed;
    std::uint64_t most = limits_.ws_message_bytes_max;
    if (compressed) most += most / 64 + 64;
    const std::uint64_t before = in_message ? under_way->message.size() : 0;
    if (head.size > most || before > most - head.size) {
        return {code::too_big, "the message is too big"};
    }
    if (in_message && under_way->fragments >= limits_.ws_fragments_max) {
        return {code::too_big, "the message has too many fragments"};
    }
    return {};
}

Decoder::Event Decoder::Step::begin_payload(const FrameHead& head) {
    if (const Failure bad = examine_order(head); bad.code != 0) return fail(bad);
    const bool all_there = head.size <= input_.size() && head.size <= Workshop::scratch_bytes;
    const bool alone = self_.progress_ == nullptr || !self_.progress_->in_message;
    if (all_there && (is_control(head.opcode) || (head.fin && alone))) return whole_message(head);
    Progress& started = progress();
    started.frame = head;
    started.taken = 0;
    started.in_frame = true;
    if (is_control(head.opcode)) {
        started.control_bytes = 0;
    } else if (head.opcode != Opcode::continuation) {
        started.in_message = true;
        started.compressed = head.compressed;
        started.opcode = head.opcode;
        started.fragments = 1;
        started.text = {};
    } else {
        ++started.fragments;
    }
    return take_payload();
}

/// All of a control frame, or of a message of one frame, is in the slice.
Decoder::Event Decoder::Step::whole_message(const FrameHead& head) {
    const auto n = static_cast<std::size_t>(head.size);
    std::string_view payload = input_.substr(0, n);
    if (head.masked && n > 0) {
        char* clear = shop_.scratch().data();
        apply_mask(clear, payload.data(), n, head.mask, 0);
        payload = {clear, n};
    }
    input_.remove_prefix(n);
    // What is left of a head that came in pieces.
    if (self_.progress_ != nullptr && !self_.progress_->in_message) let_go();
    if (is_control(head.opcode)) return control_event(head.opcode, payload);
    if (head.opcode == Opcode::text && !head.compressed && !is_utf8(payload)) {
        return fail({code::bad_text, "text that is not UTF-8"});
    }
    return message_event(head.opcode, head.compressed, nullptr, payload);
}

Decoder::Event Decoder::Step::take_payload() {
    Progress& now = *self_.progress_;
    const auto n = static_cast<std::size_t>(
        std::min<std::uint64_t>(now.frame.size - now.taken, input_.size()));
    const std::string_view piece = input_.substr(0, n);
    input_.remove_prefix(n);
    if (is_control(now.frame.opcode)) {
        apply_mask(now.control + now.control_bytes, piece.data(), n, now.frame.mask, now.taken);
        now.control_bytes = static_cast<std::uint8_t>(now.control_bytes + n);
    } else if (n > 0) {
        // In full at once for what is small, else as it comes: a head alone costs us little.
        constexpr std::uint64_t at_once = 64 * 1024;
        const std::uint64_t rest = std::min(now.frame.size - now.taken, at_once);
        char* to = now.message.reserve(std::max(n, static_cast<std::size_t>(rest)));
        apply_mask(to, piece.data(), n, now.frame.mask, now.taken);
        now.message.commit(n);
        const bool text = now.opcode == Opcode::text && !now.compressed;
        if (text && !now.text.feed({to, n})) {
            return fail({code::bad_text, "text that is not UTF-8"});
        }
    }
    now.taken += n;
    return now.taken == now.frame.size ? end_frame() : Event::need_input;
}

Decoder::Event Decoder::Step::end_frame() {
    Progress& now = *self_.progress_;
    now.in_frame = false;
    if (is_control(now.frame.opcode)) {
        const Opcode opcode = now.frame.opcode;
        char* kept = shop_.scratch().data();
        std::memcpy(kept, now.control, now.control_bytes);
        const std::size_t n = now.control_bytes;
        if (!now.in_message) let_go();
        return control_event(opcode, {kept, n});
    }
    if (!now.frame.fin) return Event::need_input;
    if (now.opcode == Opcode::text && !now.compressed && !now.text.complete()) {
        return fail({code::bad_text, "text that is not UTF-8"});
    }
    now.handed_out = true;
    return message_event(now.opcode, now.compressed, &now.message, now.message.view());
}

Decoder::Event Decoder::Step::control_event(Opcode opcode, std::string_view payload) noexcept {
    shop_.found = {};
    shop_.found.opcode = opcode;
    shop_.found.bytes = payload;
    switch (opcode) {
    case Opcode::ping: return Event::ping;
    case Opcode::pong: return Event::pong;
    case Opcode::close:
    case Opcode::continuation:
    case Opcode::text:
    case Opcode::binary: break;
    }
    CloseText ignored;
    if (const Failure bad = read_close(payload, ignored); bad.code != 0) return fail(bad);
    return Event::close;
}

Decoder::Event Decoder::Step::message_event(Opcode opcode, bool compressed, Block* block,
                                            std::string_view bytes) {
    if (compressed) {
        if (self_.takeover_ && self_.own_inflater_ == nullptr) {
            self_.own_inflater_ = std::make_unique<Inflater>(self_.bits_);
        }
        Inflater& inflater = self_.takeover_ ? *self_.own_inflater_ : shop_.inflater();
        Block& out = shop_.inflated();
        if (out.capacity() > Workshop::scratch_bytes) out.clear(); // a rare big message needed it
        out.truncate(0);
        switch (inflater.inflate(bytes, limits_.ws_message_bytes_max, out)) {
        case Inflater::Outcome::ok: break;
        case Inflater::Outcome::malformed:
            return fail({code::bad_text, "compressed bytes that cannot be inflated"});
        case Inflater::Outcome::too_big: return fail({code::too_big, "the message is too big"});
        }
        block = &out;
        bytes = out.view();
        if (opcode == Opcode::text && !is_utf8(bytes)) {
            return fail({code::bad_text, "text that is not UTF-8"});
        }
    }
    shop_.found = {};
    shop_.found.opcode = opcode;
    shop_.found.bytes = bytes;
    // Small ones are copied to a block of their size.
    if (block != nullptr && bytes.size() >= 4096) shop_.found.block = block;
    return Event::message;
}

} // namespace hc::ws
