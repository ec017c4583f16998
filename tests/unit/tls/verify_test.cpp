// Who is believed to be who.
#include "core/tls/engine.hpp"

#include "tests/unit/tls/pair.hpp"

namespace hc::tls {
namespace {

using test::client_context;
using test::credentials;
using test::Pair;

ServerSettings served(const Credentials& own) {
    ServerSettings settings;
    settings.credentials = {own};
    return settings;
}

/// What a client that trusts `trusted` says of a server that shows `own`.
std::string verdict(const Credentials& own, const std::vector<Credentials>& trusted,
                    const std::string& host) {
    Pair pair(client_context(trusted), *Context::server(served(own)), host);
    pair.carry();
    if (pair.established()) return "fine";
    EXPECT_TRUE(pair.client.failed());
    EXPECT_TRUE(pair.server.failed()) << "told by an alert";
    EXPECT_EQ(pair.client.engine().error().kind, ErrorKind::permission);
    return pair.client.engine().error().message;
}

TEST(Verify, AServerByName) {
    const Credentials own = credentials({"localhost", "*.example.com", "127.0.0.1", "::1"});
    const Credentials other = credentials({"localhost"});
    EXPECT_EQ(verdict(own, {own}, "localhost"), "fine");
    EXPECT_EQ(verdict(own, {other, own}, "localhost"), "fine");
    EXPECT_EQ(verdict(own, {own}, "www.example.com"), "fine");
    EXPECT_EQ(verdict(own, {own}, "127.0.0.1"), "fine");
    EXPECT_EQ(verdict(own, {own}, "::1"), "fine");
    EXPECT_NE(verdict(own, {own}, "127.0.0.2").find("IP address mismatch"), std::string::npos);
    EXPECT_NE(verdict(own, {own}, "elsewhere").find("hostname mismatch"), std::string::npos);
    EXPECT_NE(verdict(own, {own}, "a.b.example.com").find("hostname mismatch"), std::string::npos);
    EXPECT_NE(verdict(own, {own}, "example.com").find("hostname mismatch"), std::string::npos);
    EXPECT_NE(verdict(own, {other}, "localhost").find("self-signed"), std::string::npos);
    EXPECT_NE(verdict(own, {}, "localhost").find("self-signed"), std::string::npos);
}

class ClientsAreAsked : public testing::TestWithParam<ClientCertificates> {
protected:
    Credentials own_ = credentials({"localhost"});
    Credentials known_ = credentials({"a-client"});
    Credentials unknown_ = credentials({"a-client"});

    std::unique_ptr<Pair> with(const std::vector<Credentials>& shown) {
        ServerSettings server = served(own_);
        server.client_certificates = GetParam();
        server.roots = known_.certificate();
        ClientSettings client;
        client.credentials = shown;
        auto pair =
            std::make_unique<Pair>(client_context({own_}, client), *Context::server(server));
        pair->carry();
        return pair;
    }
};
INSTANTIATE_TEST_SUITE_P(Ways, ClientsAreAsked,
                         testing::Values(ClientCertificates::none, ClientCertificates::optional,
                                         ClientCertificates::required));

TEST_P(ClientsAreAsked, OneThatIsKnown) {
    const auto pair = with({known_});
    ASSERT_TRUE(pair->server.engine().is_established());
    const bool asked = GetParam() != ClientCertificates::none;
    EXPECT_EQ(pair->server.engine().peer_chain().size(), asked ? 1U : 0U);
}

TEST_P(ClientsAreAsked, OneThatShowsNothing) {
    const auto pair = with({});
    const bool refused = GetParam() == ClientCertificates::required;
    EXPECT_EQ(pair->server.failed(), refused);
    EXPECT_EQ(pair->client.failed(), refused) << "told by an alert";
}

TEST_P(ClientsAreAsked, OneThatIsUnknown) {
    const auto pair = with({unknown_});
    const bool refused = GetParam() != ClientCertificates::none;
    EXPECT_EQ(pair->server.failed(), refused);
    if (refused) {
        EXPECT_EQ(pair->server.engine().error().kind, ErrorKind::permission);
    }
}

} // namespace
} // namespace hc::tls
