// "A stale, doubled or forged id answers HC_E_GONE; it can never touch freed memory", and what else
// is refused at the door.
#include "tests/capi/support.hpp"

#include <cstring>
#include <initializer_list>
#include <random>

namespace capi_test {
namespace {

struct NamedCall {
    const char* name;
    std::function<hc_status(hc_exchange)> call;
};

std::vector<NamedCall> every_exchange_call() {
    static thread_local const hc_head* head; // several threads ask at once
    static thread_local const hc_header* fields;
    static thread_local size_t n;
    return {
        {"head_get", [](hc_exchange e) { return hc_head_get(e, &head); }},
        {"trailers_get", [](hc_exchange e) { return hc_trailers_get(e, &fields, &n); }},
        {"recv", [](hc_exchange e) { return hc_recv(e, 1); }},
        {"consume", [](hc_exchange e) { return hc_consume(e, 0); }},
        {"respond",
         [](hc_exchange e) { return hc_respond(e, 200, nullptr, 0, "x", 1, HC_FIN, 0); }},
        {"send", [](hc_exchange e) { return hc_send(e, "x", 1, 0, 0); }},
        {"send_nocopy", [](hc_exchange e) { return hc_send(e, "x", 1, HC_NOCOPY, 0); }},
        {"send_file", [](hc_exchange e) { return hc_send_file(e, 0, 0, 1, 0, 0); }},
        {"send_sse",
         [](hc_exchange e) { return hc_send_sse(e, nullptr, nullptr, "x", 1, -1, 0, 0); }},
        {"upgrade", [](hc_exchange e) { return hc_upgrade(e, 101, nullptr, 0); }},
        {"finish", [](hc_exchange e) { return hc_finish(e, nullptr, 0); }},
        {"abort", [](hc_exchange e) { return hc_abort(e, 0); }},
        {"release", [](hc_exchange e) { return hc_release(e); }},
    };
}

void expect_gone(hc_exchange exchange, const char* what) {
    for (const NamedCall& it : every_exchange_call()) {
        EXPECT_EQ(it.call(exchange), HC_E_GONE) << it.name << " of a " << what << " id";
    }
}

TEST(Handles, ForgedIdsAreGone) {
    std::mt19937_64 random(1);
    for (const hc_exchange forged : {hc_exchange{0}, hc_exchange{1}, ~hc_exchange{0}}) {
        expect_gone(forged, "forged");
        EXPECT_EQ(hc_cancel(forged), HC_E_GONE);
    }
    const Program program(Delivery::queue, [](const hc_event&) {});
    for (int i = 0; i < 2'000; ++i) {
        hc_exchange forged = random();
        if (i % 2 == 0) forged &= ~hc_exchange{0} >> 16; // runtime 0, worker 0: may well exist
        expect_gone(forged, "forged");
        EXPECT_EQ(hc_cancel(forged), HC_E_GONE);
    }
}

class HandlesOf : public testing::TestWithParam<Delivery> {};
INSTANTIATE_TEST_SUITE_P(Deliveries, HandlesOf,
                         testing::Values(Delivery::inline_worker, Delivery::queue,
                                         Delivery::driven_queue, Delivery::driven_inline),
                         [](const auto& it) { return name_of(it.param); });

TEST_P(HandlesOf, ReleasedIdIsGoneOnItsThreadAndOnOthers) {
    std::atomic<hc_exchange> seen{0};
    Program program(GetParam(), [&](const hc_event& event) {
        if (event.type != HC_EV_REQUEST) return;
        EXPECT_EQ(answer(event.obj, "bye"), HC_OK);
        expect_gone(event.obj, "released");
        seen = event.obj;
    });
    const hc_exchange before = (get(program.port()), seen.load());
    expect_gone(before, "released, on another thread,");
    // The slot is used again; the old id must not reach the new exchange.
    EXPECT_EQ(get(program.port()).status, 200);
    expect_gone(before, "reused");
}

TEST_P(HandlesOf, DoubleReleaseFromAnotherThreadIsGone) {
    Journal journal;
    Program program(GetParam(), [&](const hc_event& event) { journal.add(event); });
    Client client(program.port());
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    ASSERT_TRUE(journal.wait_for(HC_EV_REQUEST));
    const hc_exchange exchange = journal.last(HC_EV_REQUEST).obj;
    EXPECT_EQ(hc_release(exchange), HC_OK);
    expect_gone(exchange, "released elsewhere");
    EXPECT_EQ(read_response(client).status, 500); // the answer that the program never gave
    EXPECT_EQ(journal.count(HC_EV_CLOSED), 0U);
}

TEST_P(HandlesOf, IdsOfAStoppedRuntimeAreGone) {
    Journal journal;
    Program program(GetParam(), [&](const hc_event& event) { journal.add(event); });
    Client client(program.port());
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    ASSERT_TRUE(journal.wait_for(HC_EV_REQUEST));
    program.stop();
    expect_gone(journal.last(HC_EV_REQUEST).obj, "stopped runtime's");
}

void release_all(hc_server* server, std::initializer_list<hc_queue*> queues,
                 std::initializer_list<hc_runtime*> runtimes) {
    hc_server_release(server);
    for (hc_queue* queue : queues) hc_queue_release(queue);
    for (hc_runtime* runtime : runtimes) hc_runtime_release(runtime);
}

TEST(Handles, NullAndWrongPointersAreInvalid) {
    hc_runtime* runtime = nullptr;
    ASSERT_EQ(hc_runtime_create(nullptr, &runtime, nullptr), HC_OK);
    hc_queue* queue = nullptr;
    ASSERT_EQ(hc_queue_create(runtime, 0, &queue), HC_OK);
    hc_server* server = nullptr;
    ASSERT_EQ(hc_server_create(runtime, nullptr, &server, nullptr), HC_OK);
    hc_event event{};
    uint32_t n = 7;

    EXPECT_EQ(hc_config_create(nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_config_set(nullptr, "a", "b", 1, nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_config_load_json(nullptr, "{}", 2, nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_config_set_log(nullptr, nullptr, nullptr, nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_config_schema(nullptr, nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_config_retain(nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_config_release(nullptr), HC_OK);
    EXPECT_EQ(hc_runtime_create(nullptr, nullptr, nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_runtime_start(nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_runtime_fd(nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_runtime_turn(nullptr, 0), HC_E_INVALID);
    EXPECT_EQ(hc_runtime_flush(nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_runtime_stop(nullptr, nullptr, 0), HC_E_INVALID);
    EXPECT_EQ(hc_runtime_join(nullptr, 0), HC_E_INVALID);
    EXPECT_EQ(hc_metrics(nullptr, HC_METRICS_JSON, nullptr, 0, nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_metrics(runtime, 77, nullptr, 0, nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_queue_create(nullptr, 0, &queue), HC_E_INVALID);
    EXPECT_EQ(hc_queue_create(runtime, 0, nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_queue_fd(nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_queue_poll(nullptr, &event, 1, 0, &n), HC_E_INVALID);
    EXPECT_EQ(n, 0U);
    EXPECT_EQ(hc_queue_poll(queue, nullptr, 1, 0, &n), HC_E_INVALID);
    EXPECT_EQ(hc_queue_poll(queue, &event, 1, 0, nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_queue_poll(queue, nullptr, 0, 0, &n), HC_OK);
    EXPECT_EQ(hc_queue_arm(nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_queue_wake(nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_queue_set_wakeup(nullptr, nullptr, nullptr, nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_timer(nullptr, 0, 0, nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_spawn_blocking(queue, nullptr, nullptr, 0, nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_server_create(nullptr, nullptr, &server, nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_server_route(server, nullptr, nullptr, 0, nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_server_bind_queue(server, 0, nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_server_bind_inline(server, 0, nullptr), HC_E_INVALID);
    hc_inline handler{};
    handler.on_event = [](void*, const hc_event*) {};
    EXPECT_EQ(hc_server_bind_inline(server, 0, &handler), HC_E_INVALID); // size 0
    EXPECT_EQ(hc_server_listen(server, nullptr, nullptr), HC_E_INVALID);
    EXPECT_EQ(hc_server_drain(server, nullptr, 2, 1, 0), HC_E_INVALID);
    EXPECT_EQ(hc_error_release(nullptr), HC_OK);
    EXPECT_EQ(hc_error_status(nullptr), HC_OK);

    // One handle in the place of another.
    EXPECT_EQ(hc_runtime_start(reinterpret_cast<hc_runtime*>(queue)), HC_E_INVALID);
    EXPECT_EQ(hc_queue_wake(reinterpret_cast<hc_queue*>(runtime)), HC_E_INVALID);
    EXPECT_EQ(hc_server_bind_queue(server, 0, reinterpret_cast<hc_queue*>(server)), HC_E_INVALID);
    EXPECT_EQ(hc_queue_release(reinterpret_cast<hc_queue*>(runtime)), HC_E_INVALID);

    // A queue of another runtime.
    hc_runtime* other = nullptr;
    ASSERT_EQ(hc_runtime_create(nullptr, &other, nullptr), HC_OK);
    hc_queue* foreign = nullptr;
    ASSERT_EQ(hc_queue_create(other, 0, &foreign), HC_OK);
    EXPECT_EQ(hc_server_route(server, "GET", "/", 0, nullptr), HC_OK);
    EXPECT_EQ(hc_server_bind_queue(server, 0, foreign), HC_E_INVALID);
    EXPECT_EQ(hc_runtime_stop(runtime, foreign, 0), HC_E_INVALID);
    EXPECT_EQ(hc_server_drain(server, foreign, 0, 0, 0), HC_E_INVALID);
    release_all(server, {foreign, queue}, {other, runtime});
}

void expect_bad_fields_refused(hc_exchange exchange) {
    const auto with = [&](const char* name, const char* value, std::uint32_t token) {
        const hc_header bad{{name, std::strlen(name)}, {value, std::strlen(value)}, token, 0};
        return hc_respond(exchange, 200, &bad, 1, "", 0, HC_FIN, 0);
    };
    EXPECT_EQ(with("bad name", "x", 0), HC_E_INVALID);
    EXPECT_EQ(with("", "x", 0), HC_E_INVALID);
    EXPECT_EQ(with("x-split", "a\r\nb: c", 0), HC_E_INVALID);
    EXPECT_EQ(with("x-not", "0", HC_FIELD_CONTENT_LENGTH), HC_E_INVALID);
    EXPECT_EQ(with("x-not", "0", 60'000), HC_E_INVALID);
    EXPECT_EQ(with("content-length", "5", 0), HC_E_INVALID); // contradicts an empty body
}

TEST_P(HandlesOf, WrongArgumentsAreInvalidAndChangeNothing) {
    Program program(GetParam(), [&](const hc_event& event) {
        if (event.type != HC_EV_REQUEST) return;
        const hc_exchange e = event.obj;
        const auto respond = [&](std::int32_t status, std::uint32_t flags, const void* body,
                                 std::size_t n) {
            return hc_respond(e, status, nullptr, 0, body, n, flags, 0);
        };
        EXPECT_EQ(hc_head_get(e, nullptr), HC_E_INVALID);
        EXPECT_EQ(hc_trailers_get(e, nullptr, nullptr), HC_E_INVALID);
        EXPECT_EQ(respond(199, HC_FIN, nullptr, 0), HC_E_INVALID);
        EXPECT_EQ(respond(600, HC_FIN, nullptr, 0), HC_E_INVALID);
        EXPECT_EQ(respond(200, 0x80000000U, nullptr, 0), HC_E_INVALID);
        EXPECT_EQ(respond(200, HC_RELEASE, nullptr, 0), HC_E_INVALID); // without FIN
        EXPECT_EQ(respond(200, HC_FIN, nullptr, 1), HC_E_INVALID);
        EXPECT_EQ(respond(100, HC_INTERIM, "x", 1), HC_E_INVALID);
        EXPECT_EQ(respond(101, HC_INTERIM, nullptr, 0), HC_E_INVALID);
        EXPECT_EQ(respond(100, HC_INTERIM | HC_FIN, nullptr, 0), HC_E_INVALID);
        EXPECT_EQ(hc_respond(e, 200, nullptr, 1, nullptr, 0, HC_FIN, 0), HC_E_INVALID);
        EXPECT_EQ(hc_send(e, "x", 1, HC_INTERIM, 0), HC_E_INVALID);
        EXPECT_EQ(hc_send_file(e, -1, 0, 1, 0, 0), HC_E_INVALID);
        EXPECT_EQ(hc_send_file(e, 0, 0, 1, HC_NOCOPY, 0), HC_E_INVALID);
        EXPECT_EQ(hc_send_file(e, 0, UINT64_MAX, UINT64_MAX, 0, 0), HC_E_INVALID);
        EXPECT_EQ(hc_send_sse(e, "a\nb", nullptr, "x", 1, -1, 0, 0), HC_E_INVALID);
        EXPECT_EQ(hc_upgrade(e, 200 - 1, nullptr, 0), HC_E_INVALID);

        expect_bad_fields_refused(e);
        // After all that the exchange is as good as new.
        EXPECT_EQ(answer(e, "fine"), HC_OK);
    });
    EXPECT_EQ(get(program.port()).body, "fine");
}

} // namespace
} // namespace capi_test
