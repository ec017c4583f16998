#include "core/tls/context.hpp"

#include "tests/unit/tls/pair.hpp"

namespace hc::tls {
namespace {

using test::client_context;
using test::credentials;
using test::Pair;

TEST(Context, WhatCannotBeUsedIsNamed) {
    ServerSettings good;
    good.credentials = {credentials({"localhost"})};
    ASSERT_TRUE(Context::server(good).has_value());
    const auto refused = [&](auto change, std::string_view text) {
        ServerSettings settings = good;
        change(settings);
        const auto made = Context::server(settings);
        ASSERT_FALSE(made.has_value()) << text;
        EXPECT_EQ(made.error().kind, ErrorKind::invalid) << text;
        EXPECT_NE(made.error().message.find(text), std::string::npos) << made.error().message;
    };
    refused([](auto& s) { s.credentials.clear(); }, "certificate");
    refused([](auto& s) { s.ciphers = "NONE-SUCH"; }, "NONE-SUCH");
    refused([](auto& s) { s.cipher_suites = "TLS_NONE"; }, "TLS_NONE");
    refused([](auto& s) { s.groups = "none-such"; }, "none-such");
    refused([](auto& s) { s.roots = "nonsense"; }, "root");
    const std::string root = credentials({"root"}).certificate();
    refused([&](auto& s) { s.roots = root + root.substr(0, root.size() / 2); }, "root");
    refused([](auto& s) { s.alpn = {""}; }, "255");
    refused([](auto& s) { s.alpn = {std::string(256, 'x')}; }, "255");
    refused([](auto& s) { s.oldest = Version::tls1_3, s.newest = Version::tls1_2; }, "version");
}

TEST(Context, IsForOneEnd) {
    ServerSettings settings;
    settings.credentials = {credentials({"localhost"})};
    class Nowhere final : public Wire {
        void send_ciphertext(std::string_view) override {}
    } nowhere;
    EXPECT_FALSE(Engine::client(*Context::server(settings), nowhere, "localhost").has_value());
    EXPECT_FALSE(Engine::server(*Context::client({}), nowhere).has_value());
    EXPECT_FALSE(Engine::client(*Context::client({}), nowhere, "").has_value());
}

/// The certificate that a client gets who asks for `host`, as the index among `all`.
std::size_t shown_for(const std::vector<Credentials>& all, const std::string& host) {
    ServerSettings settings;
    settings.credentials = all;
    Pair pair(client_context(all), *Context::server(settings), host);
    pair.carry();
    for (std::size_t i = 0; i < all.size(); ++i) {
        Pair trusting(client_context({all[i]}), *Context::server(settings), host);
        trusting.carry();
        if (trusting.established()) return i;
    }
    return all.size();
}

TEST(Context, TheCertificateIsChosenByName) {
    const std::vector<Credentials> all = {
        credentials({"default.test"}), credentials({"a.test", "b.test"}), credentials({"*.c.test"}),
        credentials({"exact.c.test"}), credentials({"b.test"})};
    EXPECT_EQ(shown_for(all, "default.test"), 0U);
    EXPECT_EQ(shown_for(all, "a.test"), 1U);
    EXPECT_EQ(shown_for(all, "B.Test"), 1U) << "the first of two";
    EXPECT_EQ(shown_for(all, "x.c.test"), 2U);
    EXPECT_EQ(shown_for(all, "exact.c.test"), 3U) << "a full name before a wildcard";
    EXPECT_EQ(shown_for(all, "x.y.c.test"), all.size()) << "a wildcard is one label";
    EXPECT_EQ(shown_for(all, "other.test"), all.size()) << "the first one, which is not for it";
}

TEST(Context, ProtocolsAreTheServersChoice) {
    const Credentials own = credentials({"localhost"});
    const auto chosen = [&](std::vector<std::string> offered, std::vector<std::string> ours) {
        ServerSettings settings;
        settings.credentials = {own};
        settings.alpn = std::move(ours);
        ClientSettings asked;
        asked.alpn = std::move(offered);
        Pair pair(client_context({own}, asked), *Context::server(settings));
        pair.carry();
        if (!pair.established()) return std::string("none");
        EXPECT_EQ(pair.client.engine().alpn(), pair.server.engine().alpn());
        return std::string(pair.server.engine().alpn());
    };
    EXPECT_EQ(chosen({"http/1.1", "h2"}, {"h2", "http/1.1"}), "h2");
    EXPECT_EQ(chosen({"http/1.1"}, {"h2", "http/1.1"}), "http/1.1");
    EXPECT_EQ(chosen({}, {"h2"}), "");
    EXPECT_EQ(chosen({"h2"}, {}), "");
    EXPECT_EQ(chosen({"spdy"}, {"h2"}), "none");
}

} // namespace
} // namespace hc::tls
