#include "core/link/shared_message.hpp"

#include "core/proto/sse/encoder.hpp"

namespace hc::link {

SharedMessage* SharedMessage::make(ws::Opcode kind, std::string_view payload, std::uint64_t id) {
    return new SharedMessage(kind, payload, id);
}

SharedMessage::SharedMessage(ws::Opcode kind, std::string_view payload, std::uint64_t id)
    : kind_(kind), id_(id) {
    char head[ws::frame_head_bytes_max];
    const char* end = ws::write_frame_head(head, kind, true, false, payload.size(), nullptr);
    frame_.reserve(static_cast<std::size_t>(end - head) + payload.size());
    frame_.append(std::string_view(head, end)).append(payload);
    payload_ = std::string_view(frame_).substr(static_cast<std::size_t>(end - head));
}

std::string_view SharedMessage::compressed_frame(std::uint8_t bits, ws::Workshop& shop) {
    std::string& form = compressed_[bits];
    if ((made_.load(std::memory_order_acquire) >> bits & 1U) != 0) return form;
    const std::lock_guard lock(mutex_);
    if (!form.empty()) return form;
    ws::Block& out = shop.outgoing();
    shop.deflater(bits).compress(payload_, out);
    char head[ws::frame_head_bytes_max];
    const char* end = ws::write_frame_head(head, kind_, true, true, out.size(), nullptr);
    form.reserve(static_cast<std::size_t>(end - head) + out.size());
    form.append(std::string_view(head, end)).append(out.view());
    made_.fetch_or(1U << bits, std::memory_order_release);
    return form;
}

std::string_view SharedMessage::event() {
    if ((made_.load(std::memory_order_acquire) & 1U) != 0) return event_;
    const std::lock_guard lock(mutex_);
    if (event_.empty()) {
        const std::string id = std::to_string(id_);
        sse::Event event{.data = payload_};
        if (id_ != 0) event.id = id;
        sse::append_event(event_, event);
        made_.fetch_or(1U, std::memory_order_release);
    }
    return event_;
}

void SharedMessage::lend(Chain& to, std::string_view form) {
    to.append_lent(form, this, 0);
    retain();
}

} // namespace hc::link
