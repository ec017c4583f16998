// A session without a connection: bytes in, events; fields in, bytes out.
#include "core/proto/h2/session.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <string>

#include "tests/support/h2_frames.hpp"

namespace hc::h2 {
namespace {

namespace made = hc::test::h2;

class SessionTest : public ::testing::Test, protected Party {
protected:
    SessionTest() : session_(Session::server(limits_, scratch_, *this, now_)) {}

    Stream* make_stream() noexcept override { return &streams_.emplace_back(); }
    char* reserve(std::size_t n) override {
        room_.resize(n);
        return room_.data();
    }
    void commit(std::size_t n) noexcept override { out_.append(room_, 0, n); }
    void write(std::string_view bytes) override { out_ += bytes; }
    void write(Chain&& bytes) override {
        for (const Chunk* chunk = bytes.head(); chunk != nullptr; chunk = chunk->next) {
            out_.append(chunk->data, chunk->size);
        }
        bytes.consume(bytes.size());
    }

    /// The events of a slice as letters: h d e c t ...
    std::string receive(std::string_view bytes) {
        std::string letters;
        if (!session_->receive(bytes, now_)) return "failed";
        for (const Event& event : session_->events()) letters += letter(event);
        return letters;
    }
    std::string pull() {
        std::string letters;
        while (session_->pull(now_)) {}
        for (const Event& event : session_->events()) letters += letter(event);
        session_->clear_events();
        reader_.read(std::exchange(out_, {}));
        return letters;
    }
    static char letter(const Event& event) {
        return "htdesmcSp"[static_cast<std::size_t>(event.kind)];
    }
    Stream& stream(std::size_t i) { return streams_.at(i); }
    void respond(Stream& stream, std::string_view body, bool fin = true) {
        session_->begin_head("200");
        session_->submit_head(stream, false);
        stream.out.append(body);
        stream.out_ended = fin;
    }

    ConnectionLimits limits_;
    Scratch scratch_;
    Instant now_{1'000'000'000};
    std::deque<Stream> streams_;
    std::string room_;
    std::string out_;
    made::Reader reader_;
    std::unique_ptr<Session> session_;
};

TEST_F(SessionTest, RequestsAreRecordedInOrder) {
    // What the events show of a body stays where it was read from.
    const std::string slice = made::hello + made::request(1, made::get("/a")) +
                              made::request(3, made::post("/b"), made::none) +
                              made::frame(made::data, made::none, 3, "xy") +
                              made::frame(made::data, made::end_stream, 3, "z");
    EXPECT_EQ(receive(slice), "hhdde");
    EXPECT_TRUE(session_->introduced());
    const auto events = session_->events();
    EXPECT_EQ(session_->head(events[1].number).view.method, http::Method::post);
    EXPECT_EQ(events[2].data, "xy");
    EXPECT_EQ(events[3].data, "z");
    EXPECT_EQ(events[4].stream, &stream(1));
    EXPECT_TRUE(stream(0).remote_ended);
}

TEST_F(SessionTest, AHeadInPiecesIsOfItsSessionAlone) {
    const std::unique_ptr<Session> other = Session::server(limits_, scratch_, *this, now_);
    const std::string path = "/" + std::string(100, 'x');
    const std::string second = made::request(3, made::get(path));
    EXPECT_EQ(receive(made::hello + made::request(1, made::get("/")) + second.substr(0, 80)), "h");
    // Both use the same memory.
    EXPECT_TRUE(other->receive(made::hello, now_));
    EXPECT_FALSE(other->in_head());
    EXPECT_TRUE(session_->in_head());
    ASSERT_EQ(receive(second.substr(80)), "h");
    const Head& head = session_->head(session_->events()[0].number);
    EXPECT_EQ(head.view.text(head.view.path), path);
}

TEST_F(SessionTest, AnAnswerClosesItsStream) {
    receive(made::hello + made::request(1, made::get("/")));
    session_->begin_head("204");
    session_->add("X-Name", "value");
    EXPECT_TRUE(session_->submit_head(stream(0), true));
    EXPECT_EQ(receive(""), "");
    EXPECT_EQ(pull(), "c");
    EXPECT_EQ(reader_.streams[1].status, 204);
    EXPECT_EQ(reader_.streams[1].fields, "x-name: value\n");
    EXPECT_TRUE(stream(0).closed);
    EXPECT_TRUE(stream(0).end_sent);
}

TEST_F(SessionTest, ABodyFollowsTheWindows) {
    receive(made::hello + made::request(1, made::get("/")));
    session_->clear_events();
    respond(stream(0), std::string(100'000, 'a'), false);
    EXPECT_EQ(pull(), "m");
    EXPECT_EQ(reader_.streams[1].body.size(), 65'535U);
    EXPECT_EQ(stream(0).out.size(), 100'000U - 65'535U);
    EXPECT_TRUE(session_->is_stalled(stream(0)));
    stream(0).moved = false;
    receive(made::frame(made::window_update, made::none, 0, made::u32(100'000)) +
            made::frame(made::window_update, made::none, 1, made::u32(100'000)));
    EXPECT_EQ(pull(), "m");
    EXPECT_EQ(reader_.streams[1].body.size(), 100'000U);
    EXPECT_TRUE(stream(0).waiting);
    stream(0).out.append("end");
    stream(0).out_ended = true;
    session_->resume(stream(0));
    EXPECT_EQ(pull(), "c");
    EXPECT_TRUE(reader_.streams[1].ended);
    EXPECT_TRUE(reader_.streams[1].body.ends_with("aend"));
}

TEST_F(SessionTest, TheShortBodyGoesWithoutAChunk) {
    receive(made::hello + made::frame(made::settings, made::none, 0, made::setting(4, 3)) +
            made::request(1, made::get("/")));
    session_->clear_events();
    session_->begin_head("200");
    session_->submit_head(stream(0), false);
    stream(0).keep_small("abcdef");
    stream(0).out_ended = true;
    pull();
    EXPECT_EQ(reader_.streams[1].body, "abc");
    receive(made::frame(made::window_update, made::none, 1, made::u32(10)));
    EXPECT_EQ(pull(), "c");
    EXPECT_EQ(reader_.streams[1].body, "abcdef");
}

TEST_F(SessionTest, TrailersEndTheStream) {
    receive(made::hello + made::request(1, made::get("/")));
    session_->clear_events();
    stream(0).trailers = std::make_unique<Stream::Trailers>();
    stream(0).trailers->emplace_back("x-t", "1");
    respond(stream(0), "body");
    EXPECT_EQ(pull(), "c");
    EXPECT_EQ(reader_.streams[1].body, "body");
    EXPECT_EQ(reader_.streams[1].trailers, "x-t: 1\n");
    EXPECT_TRUE(reader_.streams[1].ended);
}

TEST_F(SessionTest, WhoCutsAStreamIsTold) {
    receive(made::hello + made::request(1, made::post("/"), made::none) +
            made::request(3, made::post("/"), made::none));
    session_->clear_events();
    session_->reset(stream(0), Code::cancel);
    ASSERT_EQ(pull(), "c");
    EXPECT_EQ(reader_.streams[1].reset, 8U);
    EXPECT_EQ(receive(made::frame(made::data, made::none, 1, "on its way")), "") << "no error";
    EXPECT_EQ(receive(made::frame(made::rst_stream, made::none, 3, made::u32(8))), "c");
    EXPECT_FALSE(session_->events()[0].by_us);
    EXPECT_EQ(receive(made::frame(made::data, made::none, 3, "behind the end")), "failed");
    pull();
    ASSERT_EQ(reader_.goaways.size(), 1U);
    EXPECT_EQ(reader_.goaways[0].second, 5U) << "STREAM_CLOSED";
    EXPECT_TRUE(session_->over());
}

TEST_F(SessionTest, StreamsBeginInOrder) {
    for (const bool together : {false, true}) {
        streams_.clear();
        session_ = Session::server(limits_, scratch_, *this, now_);
        std::string bytes = made::hello + made::request(5, made::get("/"));
        if (!together) {
            EXPECT_EQ(receive(bytes), "h");
            bytes.clear();
        }
        EXPECT_EQ(receive(bytes + made::request(3, made::get("/"))), "failed");
        reader_.goaways.clear();
        pull();
        ASSERT_EQ(reader_.goaways.size(), 1U);
        EXPECT_EQ(reader_.goaways[0].second, 1U);
    }
}

TEST_F(SessionTest, AResetInTheSliceOfItsHeadIsInOrder) {
    const std::string reset = made::frame(made::rst_stream, made::none, 1, made::u32(8));
    EXPECT_EQ(receive(made::hello + made::request(1, made::get("/")) + reset), "hc");
    EXPECT_EQ(receive(reset), "") << "again, it is passed over";
    EXPECT_EQ(receive(made::request(3, made::post("/"), made::none) +
                      made::frame(made::rst_stream, made::none, 3, made::u32(8)) +
                      made::frame(made::data, made::none, 3, "x")),
              "failed");
}

TEST_F(SessionTest, PrioritiesOfOldAreHeldToTheirFrame) {
    const auto priority = [](std::int32_t stream, std::uint32_t other) {
        return made::frame(made::priority, made::none, stream, made::u32(other) + "w");
    };
    EXPECT_EQ(receive(made::hello + priority(5, 3)), "");
    EXPECT_EQ(receive(priority(5, 5)), "failed") << "on itself";
    streams_.clear();
    session_ = Session::server(limits_, scratch_, *this, now_);
    EXPECT_EQ(receive(made::hello + priority(0, 3)), "failed") << "of no stream";
}

TEST_F(SessionTest, AnythingButThePrefaceFails) {
    EXPECT_EQ(receive("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "failed");
    pull();
    ASSERT_EQ(reader_.goaways.size(), 1U);
    EXPECT_EQ(reader_.goaways[0].second, 1U);
    EXPECT_TRUE(session_->over());
    EXPECT_EQ(receive("more"), "failed");
}

TEST_F(SessionTest, EveryCutOfTheInputGivesTheSameEvents) {
    const std::string bytes = made::hello + made::request(1, made::get("/a", {{"x", "y"}})) +
                              made::request(3, made::post("/b"), made::none) +
                              made::frame(made::data, made::none, 3, "x") +
                              made::request(3, {{"x-t", "1"}}) +
                              made::frame(made::settings, made::ack, 0);
    for (std::size_t at = 1; at < bytes.size(); ++at) {
        streams_.clear();
        session_ = Session::server(limits_, scratch_, *this, now_);
        std::string letters = receive(bytes.substr(0, at));
        for (const Event& event : session_->events()) {
            if (event.kind != Event::Kind::head) continue;
            Head& head = session_->head(event.number);
            EXPECT_EQ(head.refusal.status, 0);
        }
        letters += receive(bytes.substr(at));
        EXPECT_EQ(letters, "hhdteS") << at;
    }
}

TEST_F(SessionTest, APromiseBecomesARequestWhenItHasLeft) {
    EXPECT_FALSE(session_->may_promise()) << "the peer has said nothing yet";
    receive(made::hello + made::request(1, made::get("/")));
    EXPECT_TRUE(session_->may_promise());
    session_->clear_events();
    session_->begin_request({"GET", "http", "x", "/a?b", {}});
    session_->add("Accept", "*/*");
    Stream* const promised = session_->submit_promise(stream(0));
    ASSERT_EQ(promised, &stream(1));
    EXPECT_EQ(promised->id, 2);
    EXPECT_TRUE(promised->is_promised());
    EXPECT_FALSE(stream(0).is_promised());
    while (session_->pull(now_)) {}
    ASSERT_EQ(session_->events().size(), 1U);
    const Event event = session_->events()[0];
    EXPECT_EQ(event.kind, Event::Kind::head);
    EXPECT_EQ(event.stream, promised);
    const Head& head = session_->head(event.number);
    EXPECT_TRUE(head.ended);
    EXPECT_TRUE(head.view.promised);
    EXPECT_EQ(head.refusal.status, 0);
    EXPECT_EQ(head.view.text(head.view.path), "/a");
    EXPECT_EQ(head.view.text(head.view.query), "b");
    EXPECT_EQ(head.view.find("accept"), "*/*");
    session_->clear_events();
    respond(*promised, "ok");
    EXPECT_EQ(pull(), "c");
    EXPECT_EQ(reader_.streams[2].body, "ok");
    EXPECT_TRUE(promised->closed);
}

TEST_F(SessionTest, APromiseOnAStreamThatIsResetNeverLeaves) {
    receive(made::hello + made::request(1, made::get("/")));
    session_->clear_events();
    session_->begin_request({"GET", "http", "x", "/a", {}});
    Stream* const promised = session_->submit_promise(stream(0));
    ASSERT_NE(promised, nullptr);
    session_->reset(stream(0), Code::cancel);
    EXPECT_EQ(pull(), "cc") << "both are closed, and no request is made of it";
    EXPECT_TRUE(reader_.promises.empty());
    EXPECT_TRUE(promised->closed);
    EXPECT_FALSE(session_->guard().any()) << "that was our own doing";
    session_->begin_request({"GET", "http", "x", "/a", {}});
    EXPECT_EQ(session_->submit_promise(stream(0)), nullptr);
}

TEST_F(SessionTest, AHeadThatIsUnderWayIsNotAnotherSessions) {
    const auto other = Session::server(limits_, scratch_, *this, now_);
    ASSERT_TRUE(other->receive(made::hello, now_));
    receive(made::hello + made::frame(made::headers, made::none, 1, made::plain(made::get("/"))));
    EXPECT_TRUE(session_->in_head());
    ASSERT_TRUE(other->receive(made::frame(made::ping, made::none, 0, "12345678"), now_));
    EXPECT_FALSE(other->in_head());
    EXPECT_EQ(receive(made::frame(made::continuation, made::end_headers, 1)), "h");
    EXPECT_FALSE(session_->in_head());
}

TEST_F(SessionTest, ATrailersHeadOfAStreamThatWeHaveResetIsDropped) {
    receive(made::hello + made::request(1, made::post("/"), made::none));
    receive(made::frame(made::headers, made::end_stream, 1, made::plain({{"a", "b"}})));
    EXPECT_TRUE(session_->in_head());
    session_->reset(stream(0), Code::cancel);
    EXPECT_EQ(pull(), "c");
    EXPECT_FALSE(session_->in_head());
    EXPECT_EQ(receive(made::frame(made::continuation, made::end_headers, 1)), "");
    EXPECT_FALSE(session_->in_head());
}

} // namespace
} // namespace hc::h2
