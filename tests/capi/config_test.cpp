// Options, their schema and errors.
#include "tests/capi/support.hpp"

#include <cstring>
#include <string>

namespace capi_test {
namespace {

struct Failure {
    hc_status status = HC_OK;
    std::string message;
    std::string detail;
};

Failure set(hc_config* config, const std::string& key, std::string_view value) {
    hc_error* error = nullptr;
    Failure failure;
    failure.status = hc_config_set(config, key.c_str(), value.data(), value.size(), &error);
    failure.message = hc_error_message(error);
    failure.detail = hc_error_detail(error);
    EXPECT_EQ(hc_error_status(error), failure.status);
    EXPECT_EQ(hc_error_release(error), HC_OK);
    return failure;
}

Failure load(hc_config* config, std::string_view json) {
    hc_error* error = nullptr;
    Failure failure;
    failure.status = hc_config_load_json(config, json.data(), json.size(), &error);
    failure.message = hc_error_message(error);
    failure.detail = hc_error_detail(error);
    hc_error_release(error);
    return failure;
}

TEST(Config, UnknownKeyNamesTheNearest) {
    const Config config;
    const Failure failure = set(config.get(), "runtime.worker", "2");
    EXPECT_EQ(failure.status, HC_E_NOT_FOUND);
    EXPECT_NE(failure.message.find("runtime.workers"), std::string::npos) << failure.message;
    EXPECT_EQ(failure.detail, "runtime.worker");
    EXPECT_EQ(set(config.get(), "", "2").status, HC_E_NOT_FOUND);
    EXPECT_EQ(set(config.get(), std::string(100'000, 'x'), "2").status, HC_E_NOT_FOUND);
}

TEST(Config, BadValueTellsTheRange) {
    const Config config;
    for (const char* bad : {"", "x", "1001", "-1", "1.5", " 1", "1 ", "0x1", "99999999999999999999",
                            "9223372036854775808", "-", "--1", "+1"}) {
        const Failure failure = set(config.get(), "runtime.workers", bad);
        EXPECT_EQ(failure.status, HC_E_INVALID) << bad;
        EXPECT_NE(failure.message.find("0 to 1000"), std::string::npos) << failure.message;
    }
    EXPECT_EQ(set(config.get(), "server.date", "yes").status, HC_E_INVALID);
    EXPECT_EQ(set(config.get(), "server.name", "a\r\nb").status, HC_E_INVALID);
    EXPECT_EQ(set(config.get(), "log.level", "loud").status, HC_E_INVALID);
    EXPECT_EQ(set(config.get(), "listen.unix_mode", "888").status, HC_E_INVALID);
    EXPECT_EQ(set(config.get(), "listen.unix_mode", "0660").status, HC_OK);
    EXPECT_EQ(set(config.get(), "listen.fd", "-1").status, HC_OK);
    EXPECT_EQ(set(config.get(), "listen.proxy_from", "10.0.0.0/8, unix").status, HC_OK);
    EXPECT_EQ(set(config.get(), "listen.proxy_from", "").status, HC_OK);
}

TEST(Config, JsonTakesNestedAndWholeKeysAllOrNothing) {
    const Config config;
    EXPECT_EQ(load(config.get(), R"({"runtime": {"workers": 3}, "server.date": false,
                                     "listen": {"proxy_from": ["10.0.0.0/8", "unix"]}})")
                  .status,
              HC_OK);
    EXPECT_EQ(load(config.get(), "{}").status, HC_OK);
    EXPECT_EQ(load(config.get(), "").status, HC_E_INVALID);
    EXPECT_EQ(load(config.get(), "[]").status, HC_E_INVALID);
    EXPECT_EQ(load(config.get(), "{\"runtime\":").status, HC_E_INVALID);
    EXPECT_EQ(load(config.get(), R"({"runtime.workers": 2.5})").status, HC_E_INVALID);
    EXPECT_EQ(load(config.get(), R"({"runtime.workers": null})").status, HC_E_INVALID);
    EXPECT_EQ(load(config.get(), R"({"runtime.workers": [1, 2]})").status, HC_E_INVALID);
    EXPECT_EQ(load(config.get(), R"({"server.name": ["a", "b"]})").status, HC_E_INVALID);
    EXPECT_EQ(load(config.get(), R"({"runtime": {}})").status, HC_OK);
    EXPECT_EQ(load(config.get(), R"({"runtime.workers": {}})").status, HC_E_INVALID);
    EXPECT_EQ(load(config.get(), R"({"server": {"name": {}}})").status, HC_E_INVALID);
    EXPECT_EQ(load(config.get(), R"({"nothing": {}})").status, HC_E_NOT_FOUND);
    const Failure failure = load(config.get(), R"({"runtime": {"speed": 9}})");
    EXPECT_EQ(failure.status, HC_E_NOT_FOUND);
    EXPECT_EQ(failure.detail, "runtime.speed");

    const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
    EXPECT_EQ(load(config.get(), deep).status, HC_E_INVALID);
    std::string nested;
    for (int i = 0; i < 50'000; ++i) nested += "{\"a\":";
    EXPECT_EQ(load(config.get(), nested).status, HC_E_INVALID);

    // All or nothing: the good half of a bad text has changed nothing. Seen by its effect: 0
    // workers would make a driven runtime, which has a descriptor.
    EXPECT_EQ(load(config.get(), R"({"runtime.workers": 0, "no.such": 1})").status, HC_E_NOT_FOUND);
    hc_runtime* runtime = nullptr;
    ASSERT_EQ(hc_runtime_create(config.get(), &runtime, nullptr), HC_OK);
    EXPECT_EQ(hc_runtime_fd(runtime), HC_E_STATE);
    hc_runtime_release(runtime);
}

TEST(Config, SchemaListsEveryOptionAndEachDefaultIsAccepted) {
    const char* json = nullptr;
    size_t n = 0;
    ASSERT_EQ(hc_config_schema(&json, &n), HC_OK);
    ASSERT_EQ(std::strlen(json), n);
    const std::string_view schema(json, n);
    for (const char* key : {"runtime.workers",
                            "runtime.io",
                            "runtime.thread_name",
                            "runtime.blocking_threads_max",
                            "server.name",
                            "server.date",
                            "server.access_log",
                            "listen.address",
                            "listen.fd",
                            "listen.only_v6",
                            "listen.unix_mode",
                            "listen.proxy_from",
                            "h1.half_close_is_gone",
                            "h2.enable",
                            "limits.h2_streams_max",
                            "limits.h2_ping_interval_ms",
                            "limits.header_bytes_max",
                            "limits.connections_max",
                            "limits.operations_max",
                            "log.level"}) {
        EXPECT_NE(schema.find("\"" + std::string(key) + "\""), std::string_view::npos) << key;
    }
    // The defaults of the schema, fed back one by one.
    const Config config;
    std::size_t options = 0;
    for (std::size_t at = 0; (at = schema.find("\"key\": \"", at)) != std::string_view::npos;) {
        at += 8;
        const std::string key(schema.substr(at, schema.find('"', at) - at));
        const std::size_t value_at = schema.find("\"default\": ", at) + 11;
        std::string value(
            schema.substr(value_at, schema.find_first_of(",\n", value_at) - value_at));
        if (value.starts_with('[')) {
            value = schema.substr(value_at + 1, schema.find(']', value_at) - value_at - 1);
            std::erase_if(value, [](char c) { return c == '"' || c == '\n' || c == ' '; });
        }
        if (value.starts_with('"')) value = value.substr(1, value.size() - 2);
        EXPECT_EQ(set(config.get(), key, value).status, HC_OK) << key << "=" << value;
        ++options;
    }
    EXPECT_GE(options, 40U);
}

TEST(Config, ContradictingWatermarksAreRefused) {
    const Config config(Pairs{{"limits.write_high_watermark_bytes", "1000"},
                              {"limits.write_low_watermark_bytes", "1001"}});
    hc_runtime* runtime = nullptr;
    ASSERT_EQ(hc_runtime_create(nullptr, &runtime, nullptr), HC_OK);
    hc_server* server = nullptr;
    hc_error* error = nullptr;
    EXPECT_EQ(hc_server_create(runtime, config.get(), &server, &error), HC_E_INVALID);
    EXPECT_EQ(hc_error_origin(error), HC_ORIGIN_USER);
    hc_error_release(error);
    hc_runtime_release(runtime);
}

TEST(Config, CodingsAndTypesAreWhatTheyAre) {
    hc_runtime* runtime = nullptr;
    ASSERT_EQ(hc_runtime_create(nullptr, &runtime, nullptr), HC_OK);
    const auto create = [&](const char* key, const char* value) {
        const Config config(Pairs{{key, value}});
        hc_server* server = nullptr;
        hc_error* error = nullptr;
        const hc_status status = hc_server_create(runtime, config.get(), &server, &error);
        EXPECT_EQ(status == HC_OK, error == nullptr);
        if (error != nullptr) EXPECT_NE(std::strstr(hc_error_message(error), key), nullptr);
        hc_error_release(error);
        if (status == HC_OK) hc_server_release(server);
        return status;
    };
    for (const char* good : {"gzip", "br, GZIP", "zstd,zstd", ""}) {
        EXPECT_EQ(create("compression.codings", good), HC_OK) << good;
    }
    for (const char* bad : {"deflate", "gzip,identity", "brotli"}) {
        EXPECT_EQ(create("compression.codings", bad), HC_E_INVALID) << bad;
    }
    EXPECT_EQ(create("compression.types", "text/*, +json, */*"), HC_OK);
    for (const char* bad : {"text", "text/html;q=1", "*/html"}) {
        EXPECT_EQ(create("compression.types", bad), HC_E_INVALID) << bad;
    }
    hc_runtime_release(runtime);
}

TEST(Config, TheBackendIsAChoice) {
    const Config config;
    const Failure wrong = set(config.get(), "runtime.io", "kqueue");
    EXPECT_EQ(wrong.status, HC_E_INVALID);
    EXPECT_NE(wrong.message.find("one of auto, epoll, io_uring"), std::string::npos)
        << wrong.message;
    EXPECT_EQ(set(config.get(), "runtime.io", "").status, HC_E_INVALID);
    for (const char* name : {"auto", "epoll"}) {
        ASSERT_EQ(set(config.get(), "runtime.io", name).status, HC_OK);
        hc_runtime* runtime = nullptr;
        EXPECT_EQ(hc_runtime_create(config.get(), &runtime, nullptr), HC_OK) << name;
        hc_runtime_release(runtime);
    }
    // Asked for by name it is there, or the error says why it is not.
    ASSERT_EQ(load(config.get(), R"({"runtime": {"io": "io_uring"}})").status, HC_OK);
    hc_runtime* runtime = nullptr;
    hc_error* error = nullptr;
    const hc_status status = hc_runtime_create(config.get(), &runtime, &error);
    if (status != HC_OK) {
        EXPECT_EQ(status, HC_E_UNSUPPORTED);
        EXPECT_EQ(runtime, nullptr);
        EXPECT_NE(std::string(hc_error_message(error)).find("io_uring"), std::string::npos);
    }
    hc_error_release(error);
    hc_runtime_release(runtime);
}

TEST(Config, LogDropRunsOnceAfterEveryoneIsGone) {
    static int drops;
    drops = 0;
    const auto log = [](void*, int32_t, const char*, size_t, const char*, size_t) {};
    const auto drop = [](void* count) { ++*static_cast<int*>(count); };
    hc_config* config = nullptr;
    ASSERT_EQ(hc_config_create(&config), HC_OK);
    ASSERT_EQ(hc_config_set_log(config, log, &drops, drop), HC_OK);
    hc_runtime* runtime = nullptr;
    ASSERT_EQ(hc_runtime_create(config, &runtime, nullptr), HC_OK);
    ASSERT_EQ(hc_config_set_log(config, nullptr, nullptr, nullptr), HC_OK);
    hc_config_release(config);
    EXPECT_EQ(drops, 0);
    hc_runtime_release(runtime);
    EXPECT_TRUE(eventually([] { return drops == 1; }));
}

TEST(Errors, StatusesHaveNames) {
    EXPECT_STREQ(hc_status_name(HC_OK), "ok");
    EXPECT_STREQ(hc_status_name(HC_E_GONE), "gone");
    EXPECT_STREQ(hc_status_name(HC_E_PERMISSION), "permission");
    EXPECT_STREQ(hc_status_name(-1000), "unknown");
    EXPECT_STREQ(hc_status_name(7), "unknown");
}

TEST(Errors, SystemErrorsCarryTheirErrno) {
    hc_runtime* runtime = nullptr;
    ASSERT_EQ(hc_runtime_create(nullptr, &runtime, nullptr), HC_OK);
    hc_server* server = nullptr;
    ASSERT_EQ(hc_server_create(runtime, nullptr, &server, nullptr), HC_OK);
    const Config config(Pairs{{"listen.address", "unix:/no/such/folder/socket"}});
    hc_error* error = nullptr;
    EXPECT_NE(hc_server_listen(server, config.get(), &error), HC_OK);
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(hc_error_origin(error), HC_ORIGIN_SYSTEM);
    EXPECT_EQ(hc_error_code(error, HC_SOURCE_ERRNO), ENOENT);
    EXPECT_EQ(hc_error_code(error, HC_SOURCE_HTTP), 0);
    EXPECT_EQ(hc_error_code(error, 99), 0);
    EXPECT_STREQ(hc_error_detail(error), "unix:/no/such/folder/socket");
    hc_error_release(error);
    hc_server_release(server);
    hc_runtime_release(runtime);
}

TEST(Version, IsThatOfTheHeader) {
    EXPECT_EQ(hc_version(), static_cast<std::uint32_t>(HC_VERSION_MAJOR << 16 |
                                                       HC_VERSION_MINOR << 8 | HC_VERSION_PATCH));
    EXPECT_EQ(hc_has_feature("h1"), 1);
    for (const char* coding : {"gzip", "br", "zstd"}) EXPECT_EQ(hc_has_feature(coding), 1);
    EXPECT_EQ(hc_has_feature("h9"), 0);
    EXPECT_EQ(hc_has_feature(nullptr), 0);
    const char* json = nullptr;
    size_t n = 0;
    ASSERT_EQ(hc_version_info(&json, &n), HC_OK);
    EXPECT_EQ(std::strlen(json), n);
    EXPECT_NE(std::string_view(json).find("\"bundled\":{"), std::string_view::npos);
}

} // namespace
} // namespace capi_test
