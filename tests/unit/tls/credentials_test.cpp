#include "core/tls/credentials.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hc::tls {
namespace {

Credentials made(const std::vector<std::string>& names) { return *Credentials::self_signed(names); }

TEST(Credentials, GiveWhatMakesThemAgain) {
    const Credentials first = made({"Localhost", "*.example.com", "127.0.0.1", "::1"});
    const auto again = Credentials::parse(first.certificate(), first.key());
    ASSERT_TRUE(again.has_value()) << again.error().message;
    EXPECT_EQ(again->names(), (std::vector<std::string>{"localhost", "*.example.com"}));
    EXPECT_EQ(again->certificate(), first.certificate());
}

TEST(Credentials, AChainIsTakenWhole) {
    const Credentials own = made({"localhost"});
    const Credentials other = made({"issuer"});
    const auto both = Credentials::parse(own.certificate() + other.certificate(), own.key());
    ASSERT_TRUE(both.has_value());
    EXPECT_EQ(both->certificate(), own.certificate());
    EXPECT_FALSE(Credentials::parse(other.certificate() + own.certificate(), own.key()));
}

TEST(Credentials, AChainThatIsCutOffIsNotTaken) {
    const Credentials own = made({"localhost"});
    const std::string issuer = made({"issuer"}).certificate();
    std::string garbled = issuer;
    garbled[garbled.size() / 2] = '!';
    for (const std::string& rest : {issuer.substr(0, issuer.size() / 2), garbled}) {
        const auto parsed = Credentials::parse(own.certificate() + rest, own.key());
        ASSERT_FALSE(parsed.has_value());
        EXPECT_EQ(parsed.error().kind, ErrorKind::invalid);
    }
}

TEST(Credentials, WhatCannotBeUsedIsToldApart) {
    const Credentials one = made({"localhost"});
    const Credentials other = made({"localhost"});
    const auto mixed = Credentials::parse(one.certificate(), other.key());
    ASSERT_FALSE(mixed.has_value());
    EXPECT_EQ(mixed.error().kind, ErrorKind::invalid);
    EXPECT_NE(mixed.error().message.find("not the certificate's"), std::string::npos);
    for (const std::string& bad :
         {std::string(), std::string("nonsense"), one.key(), one.certificate().substr(0, 200),
          std::string("-----BEGIN CERTIFICATE-----\nAAAA\n"
                      "-----END CERTIFICATE-----\n")}) {
        const auto chain = Credentials::parse(bad, one.key());
        ASSERT_FALSE(chain.has_value()) << bad;
        EXPECT_NE(chain.error().message.find("certificate"), std::string::npos)
            << chain.error().message;
    }
    for (const std::string& bad : {std::string(), std::string("nonsense"), one.certificate()}) {
        const auto key = Credentials::parse(one.certificate(), bad);
        ASSERT_FALSE(key.has_value()) << bad;
        EXPECT_NE(key.error().message.find("private key"), std::string::npos);
    }
}

TEST(Credentials, AChainWithoutAnEndIsRefused) {
    const Credentials one = made({"localhost"});
    std::string chain;
    for (int i = 0; i < 17; ++i) chain += one.certificate();
    const auto parsed = Credentials::parse(chain, one.key());
    ASSERT_FALSE(parsed.has_value());
    EXPECT_EQ(parsed.error().kind, ErrorKind::limit);
}

TEST(Credentials, SelfSignedOnesNeedNamesOfHosts) {
    EXPECT_FALSE(Credentials::self_signed({}).has_value());
    for (const char* bad : {"", "a,IP:1.2.3.4", "a b", "a\n", "dir/file", "1.2.3.4.5"}) {
        EXPECT_FALSE(Credentials::self_signed(std::vector<std::string>{bad}).has_value()) << bad;
    }
}

} // namespace
} // namespace hc::tls
