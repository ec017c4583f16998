// A client's session: against a session of a server, in slices of any size, and against a server
// that does what it must not.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <string>

#include "core/proto/h2/session.hpp"
#include "tests/support/h2_frames.hpp"

namespace hc::h2 {
namespace {

namespace made = hc::test::h2;

/// One end of a connection: its streams, and the bytes that wait to be sent.
class End : protected Party {
public:
    Stream* make_stream() noexcept override { return &streams.emplace_back(); }
    char* reserve(std::size_t n) override {
        room_.resize(n);
        return room_.data();
    }
    void commit(std::size_t n) noexcept override { out.append(room_, 0, n); }
    void write(std::string_view bytes) override { out += bytes; }
    void write(Chain&& bytes) override {
        for (const Chunk* chunk = bytes.head(); chunk != nullptr; chunk = chunk->next) {
            out.append(chunk->data, chunk->size);
        }
        bytes.consume(bytes.size());
    }

    Party& party() { return *this; }

    ConnectionLimits limits;
    Scratch scratch;
    std::deque<Stream> streams;
    std::string out;
    std::unique_ptr<Session> session;

private:
    std::string room_;
};

std::string fields_of(const http::HeadView& head) {
    std::string text;
    for (const http::FieldRef& field : head.list()) {
        text += std::string(head.name(field)) + ": " + std::string(head.value(field)) + "\n";
    }
    return text;
}

/// What a client was told of one of its requests.
struct Told {
    std::string story; // "i103 h200 t e c0", what came in its order; data is not shown
    std::string fields;
    std::string trailers;
    std::string body;
    bool untouched = false;
};

class ClientEnd : public End {
public:
    explicit ClientEnd(Instant now) { session = Session::client(limits, scratch, party(), now); }
    Stream& ask(const RequestLine& line, const std::string& body = {}, bool end = true) {
        Stream& stream = streams.emplace_back();
        session->begin_request(line);
        stream.out.append(body);
        stream.out_ended = end;
        last = session->submit_request(stream, body.empty() && end);
        return stream;
    }
    Stream& get(const std::string& path) { return ask({"GET", "http", "x", path, {}}); }
    void act() {
        for (const Event& event : session->events()) act_on(event);
        session->clear_events();
    }
    void pull(Instant now) {
        while (session->pull(now)) {}
        act();
    }
    /// False: it has failed.
    bool take(std::string_view bytes, Instant now) {
        if (!session->receive(bytes, now)) {
            session->clear_events();
            return false;
        }
        act();
        return true;
    }

    std::map<std::int32_t, Told> told;
    std::string about; // the connection: s, p, l
    Submitted last = Submitted::ok;

private:
    void act_on(const Event& event) {
        if (event.stream == nullptr) {
            about += event.kind == Event::Kind::shook  ? "s"
                     : event.kind == Event::Kind::pong ? "p"
                                                       : "l" + std::to_string(event.number);
            return;
        }
        Told& its = told[event.stream->id];
        switch (event.kind) {
        case Event::Kind::interim:
        case Event::Kind::head: {
            const Head& head = session->head(event.number);
            EXPECT_EQ(head.ended && event.kind == Event::Kind::interim, false);
            its.story += event.kind == Event::Kind::head ? " h" : " i";
            its.story += std::to_string(head.view.status);
            if (head.refusal.status != 0) its.story += "!";
            if (head.ended) its.story += " e";
            if (event.kind == Event::Kind::head) its.fields = fields_of(head.view);
            break;
        }
        case Event::Kind::trailers:
            its.trailers = fields_of(session->head(event.number).view);
            its.story += " t";
            break;
        case Event::Kind::data:
            its.body += event.data;
            session->give_back(event.data.size());
            session->give_back(*event.stream, event.data.size());
            break;
        case Event::Kind::end: its.story += " e"; break;
        case Event::Kind::closed:
            its.story += " c" + std::to_string(event.number);
            its.untouched = event.untouched;
            event.stream->StreamNode::unlink();
            break;
        case Event::Kind::moved: event.stream->moved = false; break;
        default: break;
        }
    }
};

/// Answers "<target>|<body>" and sends trailers behind it, and a 103 before it.
class ServerEnd : public End {
public:
    explicit ServerEnd(Instant now, const ConnectionLimits& bounds = {}) {
        limits = bounds;
        session = Session::server(limits, scratch, party(), now);
    }
    void act() {
        for (const Event& event : session->events()) act_on(event);
        session->clear_events();
    }
    void pull(Instant now) {
        while (session->pull(now)) {}
        act();
    }
    void take(std::string_view bytes, Instant now) {
        EXPECT_TRUE(session->receive(bytes, now));
        act();
    }
    std::map<Stream*, std::string> requests; // what was asked, and came
    std::size_t heads = 0;

private:
    void answer(Stream& stream) {
        session->begin_head("103");
        session->submit_interim(stream);
        session->begin_head("200");
        session->add("x-from", "server");
        session->submit_head(stream, false);
        stream.out.append(requests[&stream]);
        stream.trailers = std::make_unique<Stream::Trailers>();
        stream.trailers->emplace_back("x-trailer", "end");
        stream.out_ended = true;
        session->resume(stream);
    }
    void act_on(const Event& event) {
        switch (event.kind) {
        case Event::Kind::head: {
            const Head& head = session->head(event.number);
            ++heads;
            requests[event.stream] = std::string(head.view.text(head.view.target)) + "|";
            if (head.ended) answer(*event.stream);
            break;
        }
        case Event::Kind::trailers:
            requests[event.stream] += "|" + fields_of(session->head(event.number).view);
            break;
        case Event::Kind::data:
            requests[event.stream] += event.data;
            session->give_back(event.data.size());
            session->give_back(*event.stream, event.data.size());
            break;
        case Event::Kind::end: answer(*event.stream); break;
        case Event::Kind::moved: event.stream->moved = false; break;
        case Event::Kind::closed: event.stream->StreamNode::unlink(); break;
        default: break;
        }
    }
};

/// Both ends and what is on its way between them.
class Wire {
public:
    explicit Wire(std::uint64_t seed = 1, const ConnectionLimits& server_limits = {})
        : client(now), server(now, server_limits), dice_(seed) {}

    /// Moves a piece of what waits, in one of both directions. False when nothing does.
    bool step() {
        now = now + milliseconds(1);
        client.pull(now);
        server.pull(now);
        const bool up = !client.out.empty() && (server.out.empty() || dice_() % 2 == 0);
        std::string& from = up ? client.out : server.out;
        if (from.empty()) return false;
        const std::size_t most = dice_() % 4 == 0 ? 16 : from.size();
        const std::string piece = from.substr(0, 1 + dice_() % most);
        from.erase(0, piece.size());
        if (up) server.take(piece, now);
        else EXPECT_TRUE(client.take(piece, now));
        return true;
    }
    void settle() {
        while (step()) {}
    }
    std::uint64_t roll() { return dice_(); }

    Instant now{1'000'000'000};
    ClientEnd client;
    ServerEnd server;

private:
    std::mt19937_64 dice_;
};

TEST(H2Client, ARequestIsAnswered) {
    Wire wire;
    wire.client.get("/a?b");
    EXPECT_EQ(wire.client.last, Submitted::ok);
    wire.settle();
    const Told& told = wire.client.told[1];
    EXPECT_EQ(told.story, " i103 h200 t e c0");
    EXPECT_EQ(told.fields, "x-from: server\n");
    EXPECT_EQ(told.trailers, "x-trailer: end\n");
    EXPECT_EQ(told.body, "/a?b|");
    EXPECT_EQ(wire.client.session->requests_open(), 0U);
    EXPECT_EQ(wire.client.about, "s");
    EXPECT_TRUE(wire.client.session->introduced());
    wire.client.session->ping();
    wire.settle();
    EXPECT_EQ(wire.client.about, "sp");
}

TEST(H2Client, BodiesAndTrailersGoBothWaysInSlicesOfAnySize) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        SCOPED_TRACE(seed);
        Wire wire(seed);
        std::map<std::int32_t, std::string> wanted;
        const int count = 1 + static_cast<int>(wire.roll() % 12);
        for (int i = 0; i < count; ++i) {
            const std::string path = "/" + std::to_string(i);
            const std::string body(wire.roll() % (wire.roll() % 3 == 0 ? 200'000 : 50), 'a');
            const bool trailed = wire.roll() % 2 == 0;
            Stream& stream = wire.client.ask({"POST", "http", "x", path, {}}, body, false);
            ASSERT_EQ(wire.client.last, Submitted::ok);
            for (std::uint64_t n = wire.roll() % 4; n > 0; --n) wire.step();
            if (trailed) {
                stream.trailers = std::make_unique<Stream::Trailers>();
                stream.trailers->emplace_back("x-sum", "1");
            }
            stream.out_ended = true;
            wire.client.session->resume(stream);
            wanted[stream.id] = path + "|" + body + (trailed ? "|x-sum: 1\n" : "");
        }
        wire.settle();
        for (const auto& [id, body] : wanted) {
            EXPECT_EQ(wire.client.told[id].story, " i103 h200 t e c0") << id;
            EXPECT_TRUE(wire.client.told[id].body == body) << id;
        }
        EXPECT_FALSE(wire.client.session->calmed());
        EXPECT_FALSE(wire.server.session->calmed());
    }
}

TEST(H2Client, NoMoreStreamsThanTheServerAllows) {
    ConnectionLimits few;
    few.h2_streams_max = 3;
    Wire wire(1, few);
    for (int i = 0; i < 100; ++i) wire.client.get("/");
    EXPECT_EQ(wire.client.last, Submitted::ok);
    wire.client.get("/");
    EXPECT_EQ(wire.client.last, Submitted::too_many) << "before SETTINGS";
    wire.server.pull(wire.now);
    EXPECT_TRUE(wire.client.take(std::exchange(wire.server.out, {}), wire.now));
    wire.settle();
    EXPECT_EQ(wire.server.heads, 100U) << "they wait until they may go";
    for (int i = 0; i < 3; ++i) {
        wire.client.get("/");
        EXPECT_EQ(wire.client.last, Submitted::ok);
    }
    wire.client.get("/");
    EXPECT_EQ(wire.client.last, Submitted::too_many);
    wire.settle();
    wire.client.get("/");
    EXPECT_EQ(wire.client.last, Submitted::ok) << "there is room again";
    wire.settle();
    EXPECT_EQ(wire.server.heads, 104U);
}

TEST(H2Client, AnExtendedConnectWaitsForTheServersSettings) {
    const RequestLine line{"CONNECT", "http", "x", "/chat", "websocket"};
    Wire wire;
    wire.client.ask(line, {}, false);
    EXPECT_EQ(wire.client.last, Submitted::unsupported);
    wire.settle();
    EXPECT_TRUE(wire.client.session->may_connect());
    wire.client.ask(line, {}, false);
    EXPECT_EQ(wire.client.last, Submitted::ok);
    wire.settle();
    EXPECT_EQ(wire.server.heads, 1U);
}

TEST(H2Client, AServerThatLeavesTellsWhatItHasNotDone) {
    Wire wire;
    Stream& first = wire.client.ask({"POST", "http", "x", "/", {}}, "", false);
    wire.settle();
    wire.server.session->refuse_streams();
    // On its way when the GOAWAY comes, and not yet sent when it comes.
    wire.client.get("/second");
    wire.client.pull(wire.now);
    wire.client.get("/third");
    wire.server.pull(wire.now);
    const std::string sent = std::exchange(wire.server.out, {});
    EXPECT_TRUE(wire.client.take(sent, wire.now));
    wire.settle();
    EXPECT_EQ(wire.client.about, "sl0");
    EXPECT_EQ(wire.client.told[first.id + 2].story, " c7");
    EXPECT_TRUE(wire.client.told[first.id + 2].untouched);
    EXPECT_EQ(wire.client.told[first.id + 4].story, " c7");
    EXPECT_TRUE(wire.client.told[first.id + 4].untouched);
    wire.client.get("/fourth");
    EXPECT_EQ(wire.client.last, Submitted::leaving);
    first.out_ended = true;
    wire.client.session->resume(first);
    wire.settle();
    EXPECT_EQ(wire.client.told[first.id].story, " i103 h200 t e c0") << "that is served";
    EXPECT_FALSE(wire.client.told[first.id].untouched);
    EXPECT_TRUE(wire.client.session->over());
}

TEST(H2Client, ARequestMayBeTakenBack) {
    Wire wire;
    wire.client.session->reset(wire.client.get("/never"), Code::cancel);
    wire.settle();
    EXPECT_EQ(wire.client.told[1].story, " c8");
    EXPECT_TRUE(wire.client.told[1].untouched) << "the server never saw it";
    EXPECT_EQ(wire.server.heads, 0U);
    Stream& sent = wire.client.ask({"POST", "http", "x", "/", {}}, "some", false);
    wire.settle();
    wire.client.session->reset(sent, Code::cancel);
    wire.settle();
    EXPECT_EQ(wire.client.told[sent.id].story, " c8");
    EXPECT_FALSE(wire.client.told[sent.id].untouched);
    EXPECT_EQ(wire.client.session->requests_open(), 0U);
    EXPECT_FALSE(wire.client.session->guard().any());
}

// -- a server that does what it must not ---------------------------------------------------------

const std::string greeting = made::frame(made::settings, made::none, 0);

std::string answer(std::int32_t stream, const made::Fields& fields, int more = made::none) {
    return made::frame(made::headers, made::end_headers | more, stream, made::plain(fields));
}

class HostileServer : public ::testing::Test {
protected:
    HostileServer() : client(now) {
        client.get("/");
        client.pull(now);
        EXPECT_TRUE(client.out.starts_with(preface));
        EXPECT_TRUE(client.take(greeting, now));
    }
    /// What the client says behind this.
    made::Reader& say(std::string_view bytes) {
        good = client.take(bytes, now);
        client.pull(now);
        const std::string out = std::exchange(client.out, {});
        reader.read(out.starts_with(preface) ? std::string_view(out).substr(preface.size()) : out);
        return reader;
    }
    std::optional<std::uint32_t> goaway() const {
        if (reader.goaways.empty()) return std::nullopt;
        return reader.goaways.back().second;
    }

    Instant now{1'000'000'000};
    ClientEnd client;
    made::Reader reader;
    bool good = true;
};

constexpr std::uint32_t protocol_error = 1, calm = 11;

TEST_F(HostileServer, OurSettingsAllowNoPromises) {
    client.out.erase(0, preface.size());
    say("");
    EXPECT_EQ(reader.settings_got.at(2), 0U);
    say(made::frame(made::push_promise, made::end_headers, 1,
                    made::u32(2) + made::plain(made::get("/pushed"))));
    EXPECT_FALSE(good);
    EXPECT_EQ(goaway(), protocol_error);
}

TEST_F(HostileServer, MalformedAnswersResetTheirStream) {
    const made::Fields bad[] = {
        {},
        {{":status", "20"}},
        {{":status", "abc"}},
        {{":status", "200"}, {":status", "200"}},
        {{":status", "200"}, {":path", "/"}},
        {{"a", "b"}, {":status", "200"}},
        {{":status", "200"}, {"Upper", "x"}},
        {{":status", "200"}, {"connection", "close"}},
        {{":status", "101"}},
        {{":status", "200"}, {"content-length", "1"}, {"content-length", "2"}},
    };
    std::int32_t id = 1;
    for (const made::Fields& fields : bad) {
        SCOPED_TRACE(id);
        say(answer(id, fields));
        EXPECT_TRUE(good);
        EXPECT_EQ(reader.streams[id].reset, protocol_error);
        EXPECT_EQ(client.told[id].story, " c1");
        EXPECT_FALSE(client.told[id].untouched);
        id = client.get("/").id;
        say("");
    }
    EXPECT_EQ(client.session->guard().take_counts()[static_cast<int>(Glitch::reset_by_us)],
              std::size(bad));
}

TEST_F(HostileServer, ABodyIsAsLongAsItsLength) {
    say(answer(1, {{":status", "200"}, {"content-length", "3"}}) +
        made::frame(made::data, made::none, 1, "four"));
    EXPECT_EQ(reader.streams[1].reset, protocol_error);
    EXPECT_EQ(client.told[1].story, " h200 c1");
}

TEST_F(HostileServer, WhatHasNoBodyGetsNone) {
    const std::int32_t head = client.ask({"HEAD", "http", "x", "/", {}}).id;
    const std::int32_t other = client.get("/").id;
    say("");
    say(answer(head, {{":status", "200"}, {"content-length", "5"}}, made::end_stream) +
        answer(other, {{":status", "304"}, {"content-length", "5"}}, made::end_stream) +
        answer(1, {{":status", "204"}}) + made::frame(made::data, made::none, 1, "x"));
    EXPECT_EQ(client.told[head].story, " h200 e c0");
    EXPECT_EQ(client.told[other].story, " h304 e c0");
    EXPECT_EQ(reader.streams[1].reset, protocol_error);
}

TEST_F(HostileServer, AnInterimHeadEndsNothing) {
    say(answer(1, {{":status", "103"}}, made::end_stream));
    EXPECT_EQ(reader.streams[1].reset, protocol_error);
    EXPECT_EQ(client.told[1].story, " c1");
}

TEST_F(HostileServer, InterimHeadsWithoutEndAreAFlood) {
    std::string many;
    for (int i = 0; i < 1'100; ++i) many += answer(1, {{":status", "103"}});
    say(many);
    EXPECT_FALSE(good);
    EXPECT_EQ(goaway(), calm);
}

TEST_F(HostileServer, FloodsEndTheConnection) {
    const std::string floods[] = {
        made::frame(made::ping, made::none, 0, "12345678"),
        made::frame(made::settings, made::none, 0),
        made::frame(made::priority, made::none, 1, made::u32(0) + "x"),
        made::frame(77, made::none, 0, "unknown"),
        made::frame(made::window_update, made::none, 0, made::u32(1)),
        made::frame(made::data, made::none, 1),
    };
    for (std::size_t i = 0; i < std::size(floods); ++i) {
        SCOPED_TRACE(i);
        ClientEnd victim(now);
        victim.get("/");
        victim.pull(now);
        std::string bytes = greeting + answer(1, {{":status", "200"}});
        for (int n = 0; n < 1'100; ++n) bytes += floods[i];
        EXPECT_FALSE(victim.take(bytes, now));
        EXPECT_TRUE(victim.session->calmed());
        victim.pull(now);
        EXPECT_TRUE(victim.session->over());
    }
}

TEST_F(HostileServer, AnAnswerThatIsTooLongIsNotKept) {
    made::Fields fields{{":status", "200"}};
    for (int i = 0; i < 400; ++i)
        fields.emplace_back("x" + std::to_string(i), std::string(99, 'a'));
    std::string block = made::plain(fields), frames;
    frames = made::frame(made::headers, made::none, 1, block.substr(0, 16'000));
    block.erase(0, 16'000);
    while (block.size() > 16'000) {
        frames += made::frame(made::continuation, made::none, 1, block.substr(0, 16'000));
        block.erase(0, 16'000);
    }
    say(frames + made::frame(made::continuation, made::end_headers, 1, block));
    EXPECT_EQ(client.told[1].story, " h200!");
}

TEST_F(HostileServer, FramesBehindTheEndOfAStreamEndTheConnection) {
    say(answer(1, {{":status", "200"}}, made::end_stream));
    EXPECT_EQ(client.told[1].story, " h200 e c0");
    say(made::frame(made::data, made::none, 1, "more"));
    EXPECT_FALSE(good);
    EXPECT_EQ(goaway(), 5U);
}

TEST_F(HostileServer, FramesForAStreamThatWeHaveResetAreLetBe) {
    client.session->reset(client.streams.front(), Code::cancel);
    say("");
    say(answer(1, {{":status", "200"}}) + made::frame(made::data, made::end_stream, 1, "late"));
    EXPECT_TRUE(good);
    EXPECT_EQ(client.told[1].story, " c8");
}

TEST_F(HostileServer, StreamsThatNobodyBeganAreNone) {
    for (const std::int32_t id : {2, 3, 99}) {
        ClientEnd victim(now);
        victim.get("/");
        victim.pull(now);
        victim.take(greeting + answer(id, {{":status", "200"}}), now);
        victim.pull(now);
        EXPECT_TRUE(victim.session->failed()) << id;
    }
}

TEST_F(HostileServer, TheFirstFrameIsSettings) {
    ClientEnd victim(now);
    victim.get("/");
    victim.pull(now);
    victim.take("HTTP/1.1 400 Bad Request\r\n\r\n", now);
    victim.pull(now);
    EXPECT_TRUE(victim.session->failed());
}

TEST_F(HostileServer, RefusedStreamsMayBeAskedForAnew) {
    say(made::frame(made::rst_stream, made::none, 1, made::u32(7)));
    EXPECT_TRUE(good);
    EXPECT_EQ(client.told[1].story, " c7");
    EXPECT_TRUE(client.told[1].untouched);
    EXPECT_FALSE(client.session->guard().any()) << "each request may be refused once";
    for (int i = 0; i < 600 && good; ++i) {
        say(made::frame(made::rst_stream, made::none, 1, made::u32(7)));
    }
    EXPECT_EQ(goaway(), calm);
}

} // namespace
} // namespace hc::h2
