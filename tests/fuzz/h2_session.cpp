// Any bytes at a session of HTTP/2 that answers every head and reads every body, in slices of any
// size. The first byte chooses the slices, and whether the preface and SETTINGS of a client come
// before the rest, so that frames are reached at once.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/proto/h2/session.hpp"

namespace {

using hc::h2::Event;
using hc::h2::Session;
using hc::h2::Stream;

constexpr std::string_view introduction("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
constexpr std::size_t streams_max = 10'000;

/// Takes what is to be sent, and forgets it.
class Nobody final : public hc::h2::Party {
public:
    Stream* make_stream() noexcept override {
        if (streams.size() >= streams_max) return nullptr;
        return streams.emplace_back(std::make_unique<Stream>()).get();
    }
    char* reserve(std::size_t n) override {
        room_.resize(n);
        return room_.data();
    }
    void commit(std::size_t n) noexcept override {
        if (n > room_.size()) std::abort();
    }
    void write(std::string_view) override {}
    void write(hc::Chain&& bytes) override { bytes.clear(); }

    std::vector<std::unique_ptr<Stream>> streams;

private:
    std::string room_;
};

void answer(Session& session, Stream& stream) {
    if (stream.closed || stream.reset_sent || stream.submitted) return;
    const std::string number = std::to_string(stream.id); // copied by submit_head, not before
    session.begin_head("200");
    session.add("x-stream", number);
    stream.keep_small("hello");
    stream.out_ended = true;
    session.submit_head(stream, false);
}

void act(Session& session, const Event& event) {
    switch (event.kind) {
    case Event::Kind::head: {
        const hc::http::HeadView& view = session.head(event.number).view;
        std::size_t sum = view.text(view.path).size();
        for (const auto& field : view.list()) {
            for (const char byte : view.value(field)) sum += static_cast<unsigned char>(byte);
        }
        if (sum == SIZE_MAX) std::abort(); // all of it was read
        answer(session, *event.stream);
        break;
    }
    case Event::Kind::data:
        session.give_back(event.data.size());
        if (!event.stream->closed) session.give_back(*event.stream, event.data.size());
        break;
    default: break;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    std::string bytes;
    if ((data[0] & 1) != 0) bytes = introduction;
    bytes.append(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::size_t slice = (data[0] & 2) != 0 ? 1 + (data[0] >> 2) : SIZE_MAX;

    const hc::ConnectionLimits limits;
    hc::h2::Scratch scratch;
    Nobody party;
    hc::Instant now;
    {
        const auto session = Session::server(limits, scratch, party, now);
        if (session == nullptr) return 0;
        std::string_view rest = bytes;
        while (!rest.empty() && !session->over()) {
            const std::string_view next = rest.substr(0, slice);
            rest.remove_prefix(next.size());
            now = now + hc::milliseconds(1);
            if (session->receive(next, now)) {
                for (const Event& event : session->events()) act(*session, event);
            }
            session->clear_events();
            while (session->pull(now)) {}
            session->clear_events();
        }
    }
    return 0;
}
