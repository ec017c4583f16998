// What the HTTP/2 connections of one context share: the memory of their sessions and streams.
// Private to H2Driver.
#pragma once

#include <cstdlib>
#include <new>
#include <utility>

#include "core/link/h2_driver.hpp"

namespace hc::link {

class H2Driver::Shared final : public ContextPart {
public:
    ~Shared() override {
        while (spare_ != nullptr) std::free(std::exchange(spare_, spare_->next));
    }
    H2Stream* make(H2Driver& driver) noexcept {
        void* memory = spare_;
        if (memory != nullptr) {
            spare_ = spare_->next;
            --spares_;
        } else {
            memory = std::malloc(sizeof(H2Stream));
        }
        return memory == nullptr ? nullptr : new (memory) H2Stream(driver);
    }
    void back(H2Stream& stream) noexcept {
        stream.~H2Stream();
        if (spares_ == spare_max) {
            std::free(&stream);
            return;
        }
        ++spares_;
        spare_ = new (&stream) Spare{spare_};
    }

    h2::Scratch scratch;

private:
    struct Spare {
        Spare* next;
    };
    static constexpr std::uint32_t spare_max = 256;
    Spare* spare_ = nullptr;
    std::uint32_t spares_ = 0;
};

/// Every stream, also when `call` ends any of them.
template <class Call>
void H2Driver::each_stream(Call call) {
    auto& streams = session_->streams();
    std::size_t count = 0;
    streams.for_each([&count](h2::Stream&) { ++count; });
    for (; count > 0 && !streams.empty(); --count) {
        h2::Stream& stream = streams.front();
        stream.h2::StreamNode::unlink();
        streams.push_back(stream);
        call(static_cast<H2Stream&>(stream));
    }
}

} // namespace hc::link
