// SharedMessage: what is sent to many at once. It is put into the form of a frame once, compressed
// once for each size of window that subscribers have agreed upon, and formatted as a server-sent
// event once; those who get it share the bytes by reference, also between workers.
//
// Compressed forms refer to nothing before them, so that every peer can read them, whatever it has
// read before (see core/proto/ws/deflate.hpp).
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/chain.hpp"
#include "core/proto/ws/decoder.hpp"

namespace hc::link {

class SharedMessage final : private Chunk::Lender {
public:
    /// `id`: of the event, when it is to have one. Made with one reference. Throws bad_alloc.
    static SharedMessage* make(ws::Opcode kind, std::string_view payload, std::uint64_t id);

    void retain() noexcept { holders_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }
    ws::Opcode kind() const noexcept { return kind_; }
    std::uint64_t id() const noexcept { return id_; }
    std::string_view payload() const noexcept { return payload_; }

    // Any thread. What they give lives as long as the message.
    std::string_view frame() const noexcept { return frame_; }
    std::string_view compressed_frame(std::uint8_t bits, ws::Workshop& shop);
    /// Of a text message.
    std::string_view event();

    /// Adds one of these, or the end of one, without copying it.
    void lend(Chain& to, std::string_view form);

private:
    SharedMessage(ws::Opcode kind, std::string_view payload, std::uint64_t id);
    ~SharedMessage() = default;
    void give_back(std::uint64_t, bool) noexcept override { release(); }

    std::atomic<std::uint32_t> holders_{1};
    const ws::Opcode kind_;
    const std::uint64_t id_;
    std::string frame_;
    std::string_view payload_;           // in frame_
    std::mutex mutex_;                   // for what is made when it is first asked for
    std::atomic<std::uint32_t> made_{0}; // of that: bit `bits`, or 0 for the event
    std::string compressed_[ws::window_bits_max + 1];
    std::string event_;
};

/// A reference to one.
class SharedMessageRef {
public:
    /// Takes the reference over.
    explicit SharedMessageRef(SharedMessage* message) noexcept : message_(message) {}
    SharedMessageRef(const SharedMessageRef& other) noexcept : message_(other.message_) {
        if (message_ != nullptr) message_->retain();
    }
    SharedMessageRef(SharedMessageRef&& other) noexcept : message_(other.message_) {
        other.message_ = nullptr;
    }
    SharedMessageRef& operator=(SharedMessageRef other) noexcept {
        std::swap(message_, other.message_);
        return *this;
    }
    ~SharedMessageRef() {
        if (message_ != nullptr) message_->release();
    }
    SharedMessage& operator*() const noexcept { return *message_; }
    SharedMessage* operator->() const noexcept { return message_; }

private:
    SharedMessage* message_;
};

} // namespace hc::link
