// hc_ws_*, hc_send_sse and hc_topic_* in every delivery.
#include "tests/capi/promises.hpp"

#include <cstring>

namespace capi_test {
namespace {

class WebSocketOf : public testing::TestWithParam<Delivery> {
protected:
    void SetUp() override {
        if (hc_has_feature("websocket") == 0) GTEST_SKIP() << "not part of this build";
    }
};
INSTANTIATE_TEST_SUITE_P(Deliveries, WebSocketOf, every_delivery,
                         [](const auto& it) { return name_of(it.param); });

const std::string opening = "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\n"
                            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A frame of a client, whose mask is of zeros.
std::string frame(int opcode, const std::string& payload) {
    std::string out(1, static_cast<char>(0x80 | opcode));
    const std::size_t n = payload.size();
    if (n < 126) {
        out += static_cast<char>(0x80 | n);
    } else {
        out += static_cast<char>(0xFE);
        out += static_cast<char>(n >> 8);
        out += static_cast<char>(n & 0xFF);
    }
    return out + std::string(4, '\0') + payload;
}
/// A short one of the server.
std::string answer(int opcode, const std::string& payload) {
    return std::string{static_cast<char>(0x80 | opcode), static_cast<char>(payload.size())} +
           payload;
}
const std::string normal("\x03\xE8", 2);

std::string text_of(const hc_event& event) {
    return {reinterpret_cast<const char*>(static_cast<std::uintptr_t>(event.data)), event.n};
}

/// Opens one and gives what came with the answer's head.
std::string open(Client& client, const std::string& more = {}) {
    client.send(opening + more + "\r\n");
    return client.read_until("\r\n\r\n");
}

/// What a program did, for a test to look at.
struct Diary {
    void add(const std::string& line) {
        const std::lock_guard lock(mutex);
        lines += line + "\n";
    }
    bool has(const std::string& line) {
        const std::lock_guard lock(mutex);
        return ("\n" + lines).find("\n" + line + "\n") != std::string::npos;
    }
    std::string all() {
        const std::lock_guard lock(mutex);
        return lines;
    }
    std::mutex mutex;
    std::string lines;
};

/// Accepts, permits everything and sends every message back.
void echo(Diary& diary, const hc_event& event) {
    switch (event.type) {
    case HC_EV_REQUEST: {
        const hc_status status = hc_ws_accept(event.obj, nullptr, nullptr, 0);
        if (status != HC_OK) {
            diary.add(std::string("refused ") + hc_status_name(status));
            EXPECT_EQ(hc_ws_refuse(event.obj, status, HC_RELEASE), HC_OK);
            return;
        }
        EXPECT_EQ(hc_recv(event.obj, UINT64_MAX), HC_OK);
        break;
    }
    case HC_EV_WS_MESSAGE: {
        const std::string text = text_of(event);
        diary.add((event.aux[0] == HC_WS_TEXT ? "text " : "binary ") + text);
        EXPECT_EQ(hc_ws_send(event.obj, static_cast<int32_t>(event.aux[0]), text.data(),
                             text.size(), 0, 0),
                  HC_OK);
        EXPECT_EQ(hc_consume(event.obj, event.n), HC_OK);
        break;
    }
    case HC_EV_WS_CLOSED:
        diary.add("end " + std::to_string(event.aux[0]) + (event.aux[1] != 0 ? " clean" : "") +
                  " " + text_of(event));
        break;
    case HC_EV_CLOSED:
        diary.add(std::string("closed ") + hc_status_name(event.status));
        EXPECT_EQ(hc_release(event.obj), HC_OK);
        break;
    default: break;
    }
}

TEST_P(WebSocketOf, MessagesComeAndGo) {
    Diary diary;
    Program program(GetParam(), [&](const hc_event& event) { echo(diary, event); });
    Client client(program.port());
    const std::string head = open(client);
    EXPECT_NE(head.find("101 Switching"), std::string::npos) << head;
    EXPECT_NE(head.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos) << head;
    client.send(frame(1, "one") + frame(2, "two") + frame(1, ""));
    EXPECT_EQ(client.read(12), answer(1, "one") + answer(2, "two") + answer(1, ""));
    client.send(frame(9, "ping"));
    EXPECT_EQ(client.read(6), answer(10, "ping"));
    const std::string large(60'000, 'l');
    client.send(frame(2, large));
    EXPECT_TRUE(client.read(60'004).substr(4) == large);
    client.send(frame(8, normal + "bye"));
    EXPECT_EQ(client.read_to_end(), answer(8, normal));
    client.close();
    ASSERT_TRUE(eventually([&] { return diary.has("closed ok"); })) << diary.all();
    EXPECT_TRUE(diary.has("text one") && diary.has("binary two") && diary.has("text "));
    EXPECT_TRUE(diary.has("end 1000 clean bye")) << diary.all();
    program.settle();
}

TEST_P(WebSocketOf, WhatIsNoRequestForOneIsRefused) {
    Diary diary;
    Program program(GetParam(), [&](const hc_event& event) { echo(diary, event); });
    EXPECT_EQ(get(program.port()).status, 426);
    EXPECT_TRUE(diary.has("refused unsupported")) << diary.all();
    Client client(program.port());
    const std::string head = open(client, "Sec-WebSocket-Version: 13\r\n");
    EXPECT_NE(head.find(" 400 "), std::string::npos) << head;
    EXPECT_TRUE(diary.has("refused protocol")) << diary.all();
    program.settle();
}

TEST_P(WebSocketOf, SubprotocolsAndFieldsAreAnswered) {
    Diary diary;
    Program program(GetParam(), [&](const hc_event& event) {
        if (event.type == HC_EV_REQUEST) {
            const hc_header mine{{"x-mine", 6}, {"1", 1}, 0, 0};
            const hc_header bad{{"sec-websocket-key", 17}, {"1", 1}, 0, 0};
            EXPECT_EQ(hc_ws_accept(event.obj, "other", nullptr, 0), HC_E_INVALID);
            EXPECT_EQ(hc_ws_accept(event.obj, nullptr, &bad, 1), HC_E_INVALID);
            EXPECT_EQ(hc_ws_send(event.obj, HC_WS_TEXT, "x", 1, 0, 0), HC_E_STATE);
            EXPECT_EQ(hc_ws_close(event.obj, 1000, nullptr, 0), HC_E_STATE);
            EXPECT_EQ(hc_ws_accept(event.obj, "chat", &mine, 1), HC_OK);
            EXPECT_EQ(hc_ws_accept(event.obj, "chat", nullptr, 0), HC_E_STATE);
            EXPECT_EQ(hc_send(event.obj, "x", 1, 0, 0), HC_E_STATE);
            EXPECT_EQ(hc_finish(event.obj, nullptr, 0), HC_E_STATE);
            EXPECT_EQ(hc_send_sse(event.obj, nullptr, nullptr, "x", 1, -1, 0, 0), HC_E_STATE);
            EXPECT_EQ(hc_ws_send(event.obj, 10, "x", 1, 0, 0), HC_E_INVALID);
            EXPECT_EQ(hc_ws_send(event.obj, HC_WS_TEXT, "x", 1, HC_FIN, 0), HC_E_INVALID);
            EXPECT_EQ(hc_ws_close(event.obj, 1005, nullptr, 0), HC_E_INVALID);
            EXPECT_EQ(hc_ws_close(event.obj, 0, "why", 3), HC_E_INVALID);
            EXPECT_EQ(hc_ws_close(event.obj, 4000, "enough", 6), HC_OK);
            EXPECT_EQ(hc_ws_close(event.obj, 4000, "enough", 6), HC_E_CLOSED);
            EXPECT_EQ(hc_ws_send(event.obj, HC_WS_TEXT, "x", 1, 0, 0), HC_E_CLOSED);
        }
        if (event.type != HC_EV_REQUEST) echo(diary, event);
    });
    Client client(program.port());
    const std::string head = open(client, "Sec-WebSocket-Protocol: a, chat\r\n");
    EXPECT_NE(head.find("sec-websocket-protocol: chat\r\n"), std::string::npos) << head;
    EXPECT_NE(head.find("x-mine: 1\r\n"), std::string::npos) << head;
    EXPECT_EQ(client.read(10), answer(8, std::string("\x0F\xA0", 2) + "enough"));
    client.send(frame(8, std::string("\x0F\xA0", 2)));
    EXPECT_EQ(client.read_to_end(), "");
    client.close();
    ASSERT_TRUE(eventually([&] { return diary.has("closed ok"); })) << diary.all();
    EXPECT_TRUE(diary.has("end 4000 clean ")) << diary.all();
    program.settle();
}

TEST_P(WebSocketOf, RefusedSendsAreToldOnce) {
    std::atomic<int> refused = 0;
    std::atomic<int> writable = 0;
    std::atomic<int> sent = 0;
    const std::string message(50'000, 'm');
    const auto go_on = [&](hc_exchange exchange) {
        while (sent < 100) {
            const hc_status status =
                hc_ws_send(exchange, HC_WS_BINARY, message.data(), message.size(), 0, 0);
            if (status == HC_E_AGAIN) {
                ++refused;
                return;
            }
            ASSERT_EQ(status, HC_OK);
            ++sent;
        }
        hc_ws_close(exchange, 1000, nullptr, 0);
    };
    Diary diary;
    Program program(GetParam(), [&](const hc_event& event) {
        if (event.type == HC_EV_WRITABLE) {
            EXPECT_EQ(++writable, refused.load());
            go_on(event.obj);
        } else {
            echo(diary, event);
            if (event.type == HC_EV_REQUEST) go_on(event.obj);
        }
    });
    Client client(program.port(), 16'384);
    open(client);
    ASSERT_TRUE(eventually([&] { return refused > 0; }));
    EXPECT_EQ(client.read(100 * 50'004).size(), 100U * 50'004);
    client.send(frame(8, normal));
    EXPECT_EQ(client.read_to_end(), answer(8, normal));
    client.close();
    ASSERT_TRUE(eventually([&] { return diary.has("closed ok"); })) << diary.all();
    EXPECT_EQ(refused.load(), writable.load());
    program.settle();
}

TEST_P(WebSocketOf, LentBytesComeBackOnce) {
    static const std::string lent(3000, 'L');
    std::atomic<int> back = 0;
    Diary diary;
    Program program(GetParam(), [&](const hc_event& event) {
        if (event.type == HC_EV_SENT) {
            EXPECT_TRUE(event.token == 7 || event.token == 8);
            EXPECT_EQ(event.status, HC_OK);
            ++back;
            return;
        }
        echo(diary, event);
        if (event.type != HC_EV_REQUEST) return;
        EXPECT_EQ(hc_ws_send(event.obj, HC_WS_TEXT, lent.data(), lent.size(), HC_NOCOPY, 7), HC_OK);
        EXPECT_EQ(hc_ws_send(event.obj, HC_WS_TEXT, nullptr, 0, HC_NOCOPY, 8), HC_OK);
    });
    Client client(program.port());
    open(client);
    EXPECT_TRUE(client.read(3006) == std::string("\x81\x7E\x0B\xB8", 4) + lent + answer(1, ""));
    ASSERT_TRUE(eventually([&] { return back == 2; }));
    client.reset();
    ASSERT_TRUE(eventually([&] { return diary.has("closed reset"); })) << diary.all();
    EXPECT_TRUE(diary.has("end 1006 ")) << diary.all();
    program.settle();
}

/// Where messages are not consumed by the call that brings them.
class QueueWebSocketOf : public WebSocketOf {};
INSTANTIATE_TEST_SUITE_P(Deliveries, QueueWebSocketOf,
                         testing::Values(Delivery::queue, Delivery::driven_queue),
                         [](const auto& it) { return name_of(it.param); });

TEST_P(QueueWebSocketOf, HeldMessagesStopTheClient) {
    std::atomic<int> messages = 0;
    std::atomic<hc_exchange> exchange = 0;
    Diary diary;
    Program program(GetParam(),
                    [&](const hc_event& event) {
                        if (event.type == HC_EV_WS_MESSAGE) {
                            ++messages;
                            exchange = event.obj;
                        } else {
                            echo(diary, event);
                        }
                    },
                    {.config = {{"limits.exchange_buffer_bytes_max", "100000"}}});
    Client client(program.port());
    open(client);
    for (int i = 0; i < 6; ++i) client.send(frame(2, std::string(50'000, 'h')));
    client.send(frame(9, "behind"));
    ASSERT_TRUE(eventually([&] { return messages == 2; }));
    for (int given = 2; given <= 6; ++given) {
        ASSERT_TRUE(eventually([&] { return messages == std::min(given, 6); })) << given;
        EXPECT_EQ(hc_consume(exchange, 50'000), HC_OK);
    }
    EXPECT_EQ(client.read(8), answer(10, "behind"));
    client.close();
    ASSERT_TRUE(eventually([&] { return diary.has("closed reset"); })) << diary.all();
    program.settle();
}

TEST_P(WebSocketOf, BehindItsEndAllIsClosed) {
    std::atomic<bool> ended = false;
    Program program(GetParam(), [&](const hc_event& event) {
        if (event.type == HC_EV_REQUEST) {
            EXPECT_EQ(hc_ws_accept(event.obj, nullptr, nullptr, 0), HC_OK);
            EXPECT_EQ(hc_topic_subscribe(event.obj, "a", 1), HC_OK);
        } else if (event.type == HC_EV_CLOSED) {
            EXPECT_EQ(hc_ws_accept(event.obj, nullptr, nullptr, 0), HC_E_CLOSED);
            EXPECT_EQ(hc_ws_send(event.obj, HC_WS_TEXT, "late", 4, 0, 0), HC_E_CLOSED);
            EXPECT_EQ(hc_topic_subscribe(event.obj, "b", 1), HC_E_CLOSED);
            EXPECT_EQ(hc_topic_unsubscribe(event.obj, "a", 1), HC_E_CLOSED);
            EXPECT_EQ(hc_release(event.obj), HC_OK);
            ended = true;
        }
    });
    Client client(program.port());
    open(client);
    client.reset();
    EXPECT_TRUE(eventually([&] { return ended.load(); }));
    program.settle();
}

TEST_P(WebSocketOf, ReleasedOnesSayGoodBye) {
    Program program(GetParam(), [&](const hc_event& event) {
        if (event.type != HC_EV_REQUEST) return;
        EXPECT_EQ(hc_ws_accept(event.obj, nullptr, nullptr, 0), HC_OK);
        EXPECT_EQ(hc_ws_send(event.obj, HC_WS_TEXT, "last", 4, 0, 0), HC_OK);
        EXPECT_EQ(hc_release(event.obj), HC_OK);
        EXPECT_EQ(hc_ws_send(event.obj, HC_WS_TEXT, "late", 4, 0, 0), HC_E_GONE);
        EXPECT_EQ(hc_ws_close(event.obj, 1000, nullptr, 0), HC_E_GONE);
        EXPECT_EQ(hc_topic_subscribe(event.obj, "a", 1), HC_E_GONE);
    });
    Client client(program.port());
    open(client);
    EXPECT_EQ(client.read_to_end(), answer(1, "last") + answer(8, std::string("\x03\xE9", 2)));
    program.settle();
}

// -- event streams and topics ---------------------------------------------------------------------

TEST_P(WebSocketOf, AnEventBeginsItsAnswer) {
    Program program(GetParam(), [&](const hc_event& event) {
        if (event.type == HC_EV_CLOSED) hc_release(event.obj);
        if (event.type != HC_EV_REQUEST) return;
        EXPECT_EQ(hc_send_sse(event.obj, "a\nb", nullptr, "x", 1, -1, 0, 0), HC_E_INVALID);
        EXPECT_EQ(hc_send_sse(event.obj, "tick", "7", "one\ntwo", 7, 500, 0, 0), HC_OK);
        EXPECT_EQ(hc_send_sse(event.obj, nullptr, nullptr, "end", 3, -1, HC_FIN | HC_RELEASE, 0),
                  HC_OK);
    });
    Response response = get(program.port());
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.fields["content-type"], "text/event-stream");
    EXPECT_EQ(response.fields["cache-control"], "no-store");
    EXPECT_EQ(response.fields["x-accel-buffering"], "no");
    EXPECT_EQ(response.body,
              "event: tick\nid: 7\nretry: 500\ndata: one\ndata: two\n\ndata: end\n\n");
    program.settle();
}

TEST_P(WebSocketOf, WhatIsPublishedReachesSubscribers) {
    Diary diary;
    std::atomic<int> subscribed = 0;
    Program program(GetParam(),
                    [&](const hc_event& event) {
                        if (event.type != HC_EV_REQUEST) return echo(diary, event);
                        if (hc_ws_accept(event.obj, nullptr, nullptr, 0) != HC_OK) {
                            EXPECT_EQ(hc_send_sse(event.obj, nullptr, nullptr, "hi", 2, -1, 0, 0),
                                      HC_OK);
                        }
                        EXPECT_EQ(hc_topic_subscribe(event.obj, "", 0), HC_E_INVALID);
                        EXPECT_EQ(hc_topic_subscribe(event.obj, "room", 4), HC_OK);
                        ++subscribed;
                    },
                    {.config = {{"sse.replay_events", "10"}}, .workers = 2});
    Client socket(program.port());
    open(socket);
    Client stream(program.port());
    stream.send(request("/"));
    stream.read_until("data: hi\n\n");
    ASSERT_TRUE(eventually([&] { return subscribed == 2; }));
    // Calls of other threads are on their way still; a first message tells that they have arrived.
    std::string seen;
    ASSERT_TRUE(eventually([&] {
        EXPECT_EQ(hc_topic_publish(program.server(), "room", 4, HC_WS_TEXT, "knock", 5, 0), HC_OK);
        return socket.readable() && stream.readable();
    }));
    EXPECT_EQ(hc_topic_publish(program.server(), "room", 4, HC_WS_TEXT, "hello", 5, 0), HC_OK);
    EXPECT_EQ(hc_topic_publish(program.server(), "room", 4, 9, "x", 1, 0), HC_E_INVALID);
    EXPECT_EQ(hc_topic_publish(program.server(), "", 0, HC_WS_TEXT, "x", 1, 0), HC_E_INVALID);
    socket.read_until(answer(1, "hello"));
    const std::string event = stream.read_until("data: hello\n\n");
    EXPECT_NE(event.find("id: "), std::string::npos);
    socket.close();
    stream.reset(); // an orderly end would only mean that it has no more to ask
    program.settle();
}

} // namespace
} // namespace capi_test
