#include "core/tls/tickets.hpp"

#include <algorithm>
#include <set>

#include "tests/unit/tls/pair.hpp"

namespace hc::tls {
namespace {

using test::client_context;
using test::credentials;
using test::Pair;

std::int64_t now_s = 0;
std::int64_t test_clock() { return now_s; }

std::shared_ptr<Tickets> tickets_of(const std::vector<std::string>& secrets,
                                    std::uint32_t lifetime_s = 3600) {
    now_s = 1'000'000 * 3600LL;
    auto made = Tickets::make(secrets, lifetime_s, &test_clock);
    EXPECT_TRUE(made.has_value());
    return *made;
}
const std::string secret_a(32, 'a');
const std::string secret_b(32, 'b');

TEST(Tickets, KeysChangeWithTimeAndAreKnownForOnePeriodMore) {
    const auto tickets = tickets_of({secret_a});
    const auto first = tickets->current();
    ASSERT_TRUE(first);
    now_s += 3599;
    EXPECT_EQ(tickets->current()->name, first->name);
    EXPECT_FALSE(tickets->find(first->name)->renew);
    now_s += 1;
    EXPECT_NE(tickets->current()->name, first->name);
    EXPECT_NE(tickets->current()->cipher, first->cipher);
    EXPECT_NE(tickets->current()->mac, first->mac);
    ASSERT_TRUE(tickets->find(first->name));
    EXPECT_TRUE(tickets->find(first->name)->renew);
    EXPECT_EQ(tickets->find(first->name)->key.cipher, first->cipher);
    now_s += 3600;
    EXPECT_FALSE(tickets->find(first->name));
}

TEST(Tickets, ASecretMakesTheSameKeysEverywhere) {
    const auto here = tickets_of({secret_a});
    const auto there = tickets_of({secret_b, secret_a});
    EXPECT_NE(here->current()->name, there->current()->name);
    const auto found = there->find(here->current()->name);
    ASSERT_TRUE(found) << "an earlier secret still decrypts";
    EXPECT_TRUE(found->renew);
    EXPECT_EQ(found->key.mac, here->current()->mac);
    EXPECT_FALSE(here->find(there->current()->name));
    EXPECT_NE(tickets_of({})->current()->name, tickets_of({})->current()->name) << "random";
}

TEST(Tickets, WhatIsNoSecretIsRefused) {
    const std::string wrong[] = {std::string(31, 'x')};
    EXPECT_FALSE(Tickets::make(wrong, 3600).has_value());
    EXPECT_FALSE(Tickets::make({}, 0).has_value());
    EXPECT_FALSE(Tickets::make({}, 604'801).has_value());
    const std::vector<std::string> many(Tickets::secrets_max + 1, secret_a);
    EXPECT_FALSE(Tickets::make(many, 3600).has_value());
}

class Resumption : public testing::TestWithParam<Version> {
protected:
    const Credentials own = credentials({"localhost", "other.test"});

    ServerSettings settings(std::shared_ptr<Tickets> tickets) const {
        ServerSettings made;
        made.newest = GetParam();
        made.credentials = {own};
        made.tickets = std::move(tickets);
        return made;
    }
    struct Outcome {
        bool established = false;
        bool resumed = false;
        std::string session;
        std::size_t chain = 0;
    };
    Outcome connect(const Context& server, std::string_view session,
                    const std::vector<Credentials>& mine = {}) const {
        ClientSettings client;
        client.credentials = mine;
        Pair pair(client_context({own}, client), server, "localhost", session);
        pair.carry();
        Outcome outcome;
        outcome.established = pair.established();
        if (!outcome.established) return outcome;
        outcome.resumed = pair.client.engine().is_resumed();
        EXPECT_EQ(outcome.resumed, pair.server.engine().is_resumed());
        outcome.session = pair.client.engine().session();
        outcome.chain = pair.server.engine().peer_chain().size();
        return outcome;
    }
};
INSTANTIATE_TEST_SUITE_P(Versions, Resumption, testing::Values(Version::tls1_2, Version::tls1_3),
                         [](const auto& each) {
                             return each.param == Version::tls1_2 ? "tls1_2" : "tls1_3";
                         });

TEST_P(Resumption, ASessionIsTakenUp) {
    const Context server = *Context::server(settings(tickets_of({})));
    const Outcome first = connect(server, {});
    ASSERT_TRUE(first.established);
    EXPECT_FALSE(first.resumed);
    ASSERT_FALSE(first.session.empty());
    const Outcome second = connect(server, first.session);
    EXPECT_TRUE(second.established);
    EXPECT_TRUE(second.resumed);
}

TEST_P(Resumption, WithoutTicketsThereIsNone) {
    const Context server = *Context::server(settings(nullptr));
    const Outcome first = connect(server, {});
    ASSERT_TRUE(first.established);
    if (GetParam() == Version::tls1_3) EXPECT_TRUE(first.session.empty());
    const Outcome second = connect(server, first.session);
    EXPECT_TRUE(second.established);
    EXPECT_FALSE(second.resumed);
}

TEST_P(Resumption, NewCertificatesAndOtherProcessesTakeItUp) {
    const Outcome first = connect(*Context::server(settings(tickets_of({secret_a}))), {});
    ServerSettings reloaded = settings(tickets_of({secret_b, secret_a}));
    const Outcome second = connect(*Context::server(reloaded), first.session);
    EXPECT_TRUE(second.resumed);
    ServerSettings stranger = settings(tickets_of({secret_b}));
    const Outcome third = connect(*Context::server(stranger), first.session);
    EXPECT_TRUE(third.established);
    EXPECT_FALSE(third.resumed);
}

TEST_P(Resumption, TicketsGetOld) {
    const auto tickets = tickets_of({secret_a});
    const Context server = *Context::server(settings(tickets));
    const Outcome first = connect(server, {});
    now_s += 2 * 3600;
    const Outcome late = connect(server, first.session);
    EXPECT_TRUE(late.established);
    EXPECT_FALSE(late.resumed);
}

// CVE-2025-23419: a session that began where no certificate was asked for must not be taken up
// where one is required, though both have the same keys.
TEST_P(Resumption, NeverPassesAnotherRuleForCertificates) {
    const auto tickets = tickets_of({secret_a});
    const Credentials client = credentials({"client"});
    ServerSettings open = settings(tickets);
    ServerSettings strict = settings(tickets);
    strict.client_certificates = ClientCertificates::required;
    strict.roots = client.certificate();
    ServerSettings lax = strict;
    lax.client_certificates = ClientCertificates::optional;
    ServerSettings elsewhere = strict;
    elsewhere.roots = credentials({"another"}).certificate();

    const Outcome anonymous = connect(*Context::server(open), {});
    const Outcome unproven = connect(*Context::server(lax), {});
    ASSERT_TRUE(anonymous.established && unproven.established);
    for (const Outcome* each : {&anonymous, &unproven}) {
        const Outcome passed = connect(*Context::server(strict), each->session);
        EXPECT_FALSE(passed.established && passed.chain == 0);
    }
    const Outcome known = connect(*Context::server(strict), {}, {client});
    ASSERT_TRUE(known.established);
    EXPECT_EQ(known.chain, 1U);
    const Outcome again = connect(*Context::server(strict), known.session, {client});
    EXPECT_TRUE(again.resumed);
    EXPECT_EQ(again.chain, 1U) << "who it was is part of the session";
    const Outcome passed = connect(*Context::server(elsewhere), known.session, {client});
    EXPECT_FALSE(passed.established && passed.resumed) << "roots are part of the rule";
}

TEST_P(Resumption, WhatIsNoSessionIsIgnored) {
    const Context server = *Context::server(settings(tickets_of({})));
    const Outcome first = connect(server, "nonsense");
    EXPECT_TRUE(first.established);
    std::string spoilt = first.session;
    ASSERT_FALSE(spoilt.empty());
    for (std::size_t i = 0; i < spoilt.size(); i += 7) {
        std::string changed = spoilt;
        changed[i] = static_cast<char>(changed[i] ^ 0x20);
        connect(server, changed); // any outcome but a crash
    }
}

// -- certificates that are asked for -------------------------------------------------------------

TEST(AskedFor, ACertificateMayComeWhileTheHandshakeWaits) {
    const Credentials late = credentials({"late.test"});
    ServerSettings settings;
    settings.asks = true;
    Pair pair(client_context({late}), *Context::server(settings), "late.test");
    pair.carry();
    EXPECT_EQ(pair.server.last, Progress::wants_certificate);
    EXPECT_EQ(pair.server.engine().server_name(), "late.test");
    EXPECT_FALSE(pair.server.engine().offers_acme());
    pair.server.go_on();
    EXPECT_EQ(pair.server.last, Progress::wants_certificate) << "until it is answered";
    pair.server.engine().answer(late);
    pair.server.go_on();
    pair.carry();
    EXPECT_TRUE(pair.established());
}

TEST(AskedFor, OnlyForNamesThatAreUnknown) {
    const Credentials known = credentials({"known.test"});
    ServerSettings settings;
    settings.asks = true;
    settings.credentials = {known};
    Pair pair(client_context({known}), *Context::server(settings), "known.test");
    pair.carry();
    EXPECT_TRUE(pair.established());
    Pair refused(client_context({known}), *Context::server(settings), "unknown.test");
    refused.carry();
    EXPECT_EQ(refused.server.last, Progress::wants_certificate);
    refused.server.engine().refuse();
    refused.server.go_on();
    refused.carry();
    EXPECT_TRUE(refused.server.failed());
    EXPECT_TRUE(refused.client.failed());
}

TEST(AskedFor, AcmeIsAnsweredWithItsOwnCertificateAndProtocol) {
    const Credentials known = credentials({"known.test"});
    const Credentials proof = credentials({"known.test"});
    ServerSettings settings;
    settings.asks = true;
    settings.alpn = {"h2", "http/1.1"};
    settings.credentials = {known};
    ClientSettings prover;
    prover.alpn = {"acme-tls/1"};
    Pair pair(client_context({proof}, prover), *Context::server(settings), "known.test");
    pair.carry();
    ASSERT_EQ(pair.server.last, Progress::wants_certificate)
        << pair.server.engine().error().message;
    EXPECT_TRUE(pair.server.engine().offers_acme());
    pair.server.engine().answer(proof);
    pair.server.go_on();
    pair.carry();
    ASSERT_TRUE(pair.established());
    EXPECT_EQ(pair.client.engine().alpn(), "acme-tls/1");
}

TEST(KeyLogging, GivesTheSecretsOfAConnection) {
    const Credentials own = credentials({"localhost"});
    std::set<std::string> lines;
    ServerSettings settings;
    settings.credentials = {own};
    settings.key_log = [&](std::string_view line) { lines.emplace(line); };
    Pair pair(client_context({own}), *Context::server(settings));
    pair.carry();
    ASSERT_TRUE(pair.established());
    EXPECT_TRUE(std::ranges::any_of(
        lines, [](const std::string& l) { return l.starts_with("CLIENT_TRAFFIC_SECRET_0 "); }));
}

} // namespace
} // namespace hc::tls
