// Any bytes at a session of HTTP/2, in slices of any size: at a server that answers every head,
// promises something with it and reads every body, or at a client that has asked for a few things.
// The first byte chooses the slices, whether the preface and SETTINGS of the other side come before
// the rest, so that frames are reached at once, and, by its highest bit, the role.
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
/// What of it a server sends.
constexpr std::string_view greeting = introduction.substr(24);
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
    if (stream.closed || stream.reset_sent || stream.headed) return;
    const std::string number = std::to_string(stream.id); // copied by submit_head, not before
    stream.keep_small("hello");
    stream.out_ended = true;
    if (!stream.is_promised() && session.may_promise()) {
        session.begin_request({"GET", "http", "x", "/promised", {}});
        session.submit_promise(stream);
    }
    session.begin_head("200");
    session.add("x-stream", number);
    session.submit_head(stream, false);
}

void ask(Session& session, Nobody& party) {
    constexpr std::string_view methods[] = {"GET", "HEAD", "POST", "CONNECT"};
    for (const std::string_view method : methods) {
        Stream& stream = *static_cast<Stream*>(party.make_stream());
        const bool connect = method == "CONNECT";
        session.begin_request({method, connect ? "" : "http", "x", connect ? "" : "/", {}});
        session.add("x-own", "1");
        if (method == "POST") stream.out.append("body");
        stream.out_ended = !connect;
        session.submit_request(stream, method == "GET" || method == "HEAD");
    }
}

void act(Session& session, const Event& event, bool client) {
    switch (event.kind) {
    case Event::Kind::interim:
    case Event::Kind::head: {
        const hc::http::HeadView& view = session.head(event.number).view;
        std::size_t sum = view.text(view.path).size();
        for (const auto& field : view.list()) {
            for (const char byte : view.value(field)) sum += static_cast<unsigned char>(byte);
        }
        if (sum == SIZE_MAX) std::abort(); // all of it was read
        if (!client) answer(session, *event.stream);
        break;
    }
    case Event::Kind::data:
        session.give_back(event.data.size());
        if (!event.stream->closed) session.give_back(*event.stream, event.data.size());
        break;
    default: break;
    }
}

/// Sends all there is; promises that have left are kept.
void pull(Session& session, hc::Instant now) {
    for (bool again = true; again;) {
        while (session.pull(now)) {}
        again = false;
        for (const Event& event : session.events()) {
            if (event.kind != Event::Kind::head) continue;
            answer(session, *event.stream);
            again = true;
        }
        session.clear_events();
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    std::string bytes;
    const bool client = (data[0] & 128) != 0;
    if ((data[0] & 1) != 0) bytes = client ? greeting : introduction;
    bytes.append(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::size_t slice = (data[0] & 2) != 0 ? 1 + (data[0] >> 2 & 31) : SIZE_MAX;

    const hc::ConnectionLimits limits;
    hc::h2::Scratch scratch;
    Nobody party;
    hc::Instant now;
    {
        const auto session = client ? Session::client(limits, scratch, party, now)
                                    : Session::server(limits, scratch, party, now);
        if (session == nullptr) return 0;
        if (client) ask(*session, party);
        std::string_view rest = bytes;
        while (!rest.empty() && !session->over()) {
            const std::string_view next = rest.substr(0, slice);
            rest.remove_prefix(next.size());
            now = now + hc::milliseconds(1);
            if (session->receive(next, now)) {
                for (const Event& event : session->events()) act(*session, event, client);
            }
            session->clear_events();
            pull(*session, now);
        }
    }
    return 0;
}
