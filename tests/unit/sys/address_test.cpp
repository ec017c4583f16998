#include "core/sys/address.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "core/base/random.hpp"

namespace hc::sys {
namespace {

using Family = Address::Family;

std::string round_trip(std::string_view text) {
    const auto address = Address::parse(text);
    return address ? address->to_string() : "error: " + address.error().message;
}

TEST(Address, CanonicalTextIsKept) {
    for (const char* text :
         {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80", "[::]:0", "[1::]:1",
          "[2001:db8::1:0:0:1]:443", "[2001:db8:0:1:1:1:1:1]:443", "[fe80::1%2]:80",
          "[::ffff:10.1.2.3]:8080", "[1:2:3:4:5:6:7:8]:9", "unix:/run/x.sock", "unix:@abstract",
          "unix:relative", "unix:./@odd"}) {
        EXPECT_EQ(round_trip(text), text);
    }
}

TEST(Address, OtherSpellingsBecomeCanonical) {
    EXPECT_EQ(round_trip("[0:0:0:0:0:0:0:1]:80"), "[::1]:80");
    EXPECT_EQ(round_trip("[2001:DB8::0001]:80"), "[2001:db8::1]:80");
    EXPECT_EQ(round_trip("[::10.1.2.3]:80"), "[::a01:203]:80");
    EXPECT_EQ(round_trip("[1:2:3:4:5:6:1.2.3.4]:80"), "[1:2:3:4:5:6:102:304]:80");
    EXPECT_EQ(round_trip("[0:0:1::0:0:0]:80"), "[0:0:1::]:80");
    EXPECT_EQ(round_trip("[1:2:3:4:5:6:7::]:80"), "[1:2:3:4:5:6:7:0]:80");
}

TEST(Address, WhatIsNoAddressIsRefused) {
    for (const std::string& text :
         std::initializer_list<std::string>{"",
                                            "127.0.0.1",
                                            ":80",
                                            "127.0.0.1:",
                                            "127.0.0.1:65536",
                                            "127.0.0.1:-1",
                                            "127.0.0.1:+1",
                                            "127.0.0.1: 1",
                                            "127.0.0.1:000080",
                                            "127.0.0:80",
                                            "127.0.0.1.:80",
                                            "127.0.0.1.1:80",
                                            "256.0.0.1:80",
                                            "01.0.0.1:80",
                                            "1..1.1:80",
                                            "0x7f.0.0.1:80",
                                            "localhost:80",
                                            "::1:80",
                                            "[::1]",
                                            "[::1]80",
                                            "[::1:80",
                                            "::1]:80",
                                            "[127.0.0.1]:80",
                                            "[]:80",
                                            "[:]:80",
                                            "[:::]:80",
                                            "[1::2::3]:80",
                                            "[1:2:3:4:5:6:7]:80",
                                            "[1:2:3:4:5:6:7:8:9]:80",
                                            "[1:2:3:4:5:6:7:8::]:80",
                                            "[::1:2:3:4:5:6:7:8]:80",
                                            "[12345::]:80",
                                            "[g::]:80",
                                            "[1:]:80",
                                            "[:1]:80",
                                            "[1.2.3.4::]:80",
                                            "[::1.2.3]:80",
                                            "[::1.2.3.4:1]:80",
                                            "[1:2:3:4:5:6:7:1.2.3.4]:80",
                                            "[fe80::1%]:80",
                                            "[fe80::1%eth0]:80",
                                            "[fe80::1%4294967296]:80",
                                            "[::-1]:80",
                                            "[::+1]:80",
                                            "[::0x1]:80",
                                            "unix:",
                                            "unix:@",
                                            "unix:" + std::string(108, 'x'),
                                            "unix:@" + std::string(107, 'x'),
                                            std::string("unix:a\0b", 8),
                                            std::string("unix:\0b", 7)}) {
        const auto address = Address::parse(text);
        ASSERT_FALSE(address) << text << " was taken for " << address->to_string();
        EXPECT_EQ(address.error().kind, ErrorKind::invalid);
        EXPECT_FALSE(address.error().message.empty());
    }
}

TEST(Address, LongestUnixPathsFit) {
    const std::string path(107, 'x');
    EXPECT_EQ(round_trip("unix:" + path), "unix:" + path);
    const std::string name = "@" + std::string(106, 'x');
    EXPECT_EQ(round_trip("unix:" + name), "unix:" + name);
}

TEST(Address, RandomAddressesSurviveTheRoundTrip) {
    Random random(20'240'101);
    for (int i = 0; i < 50'000; ++i) {
        Address address;
        address.port = static_cast<std::uint16_t>(random.next());
        if (random.below(4) == 0) {
            address.family = Family::v4;
            for (std::size_t at = 0; at < 4; ++at) {
                address.ip[at] = static_cast<std::uint8_t>(random.next());
            }
        } else {
            address.family = Family::v6;
            // Many zero groups, so that every place and length of "::" comes up.
            const std::uint64_t zeros = random.next();
            for (std::size_t at = 0; at < 16; ++at) {
                const bool zero = (zeros >> (at / 2) & 1) != 0;
                address.ip[at] = zero ? 0 : static_cast<std::uint8_t>(random.next());
            }
            if (random.below(8) == 0) address.scope = static_cast<std::uint32_t>(random.next());
            if (random.below(8) == 0) {
                std::fill_n(address.ip.begin(), 10, std::uint8_t{0});
                address.ip[10] = address.ip[11] = 0xff;
            }
        }
        const auto again = Address::parse(address.to_string());
        ASSERT_TRUE(again) << address.to_string();
        ASSERT_EQ(*again, address) << address.to_string();
    }
}

TEST(Address, AnyBytesAreAnsweredAndWhatIsTakenIsStable) {
    Random random(7);
    constexpr std::string_view alphabet = "0123456789abcf:.[]%/@unix";
    for (int i = 0; i < 200'000; ++i) {
        std::string text;
        for (auto left = random.below(16); left > 0; --left) {
            text += alphabet[random.below(alphabet.size())];
        }
        text += ":1";
        const auto address = Address::parse(text);
        if (!address) continue;
        ASSERT_EQ(Address::parse(address->to_string()).value(), *address) << text;
    }
}

TEST(Address, HostLeavesThePortOut) {
    EXPECT_EQ(Address::parse("10.0.0.1:80")->host(), "10.0.0.1");
    EXPECT_EQ(Address::parse("[fe80::1%2]:80")->host(), "fe80::1%2");
    EXPECT_EQ(Address::parse("unix:/x")->host(), "unix");
    EXPECT_EQ(Address{}.host(), "");
    EXPECT_EQ(Address{}.to_string(), "");
}

TEST(Address, IpPortTakesBracketsOrNot) {
    EXPECT_EQ(Address::ip_port("::1", 80)->to_string(), "[::1]:80");
    EXPECT_EQ(Address::ip_port("[::1]", 80)->to_string(), "[::1]:80");
    EXPECT_EQ(Address::ip_port("1.2.3.4", 80)->to_string(), "1.2.3.4:80");
    EXPECT_FALSE(Address::ip_port("[1.2.3.4]", 80));
    EXPECT_FALSE(Address::ip_port("", 80));
}

TEST(Address, MappedAddressesAreUnmapped) {
    const Address mapped = *Address::parse("[::ffff:10.1.2.3]:80");
    EXPECT_TRUE(mapped.is_v4_mapped());
    EXPECT_EQ(mapped.unmapped(), *Address::parse("10.1.2.3:80"));
    const Address plain = *Address::parse("[::fffe:10.1.2.3]:80");
    EXPECT_FALSE(plain.is_v4_mapped());
    EXPECT_EQ(plain.unmapped(), plain);
    EXPECT_FALSE(Address::parse("10.1.2.3:80")->is_v4_mapped());
}

TEST(Address, OnlySocketsWithAPathAreFiles) {
    EXPECT_TRUE(Address::parse("unix:/x")->is_file());
    EXPECT_FALSE(Address::parse("unix:@x")->is_file());
    EXPECT_FALSE(Address::parse("1.2.3.4:1")->is_file());
}

bool contains(std::string_view range, std::string_view ip) {
    return AddressRange::parse(range).value().contains(Address::ip_port(ip, 99).value());
}

TEST(AddressRange, ContainsByPrefix) {
    EXPECT_TRUE(contains("10.0.0.0/8", "10.255.0.1"));
    EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.0"));
    EXPECT_TRUE(contains("10.1.2.3/8", "10.9.9.9")) << "bits beyond the prefix are ignored";
    EXPECT_TRUE(contains("192.168.128.0/17", "192.168.200.1"));
    EXPECT_FALSE(contains("192.168.128.0/17", "192.168.127.255"));
    EXPECT_TRUE(contains("1.2.3.4", "1.2.3.4"));
    EXPECT_FALSE(contains("1.2.3.4", "1.2.3.5"));
    EXPECT_TRUE(contains("0.0.0.0/0", "200.1.1.1"));
    EXPECT_FALSE(contains("0.0.0.0/0", "::1"));
    EXPECT_TRUE(contains("fd00::/8", "fdff::1"));
    EXPECT_FALSE(contains("fd00::/8", "fe00::1"));
    EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::1"));
    EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
    EXPECT_TRUE(contains("::1", "::1"));
    EXPECT_FALSE(contains("::/0", "1.2.3.4"));
}

TEST(AddressRange, MapsIpv4First) {
    EXPECT_TRUE(contains("10.0.0.0/8", "::ffff:10.1.1.1"));
    EXPECT_TRUE(contains("::ffff:10.0.0.0/104", "10.1.1.1"));
    EXPECT_TRUE(contains("::ffff:10.0.0.1", "::ffff:10.0.0.1"));
    EXPECT_FALSE(contains("::ffff:10.0.0.0/104", "11.1.1.1"));
}

TEST(AddressRange, UnixPeersHaveAWord) {
    const AddressRange range = AddressRange::parse("unix").value();
    EXPECT_TRUE(range.contains(*Address::parse("unix:/x")));
    EXPECT_FALSE(range.contains(*Address::parse("1.2.3.4:1")));
    EXPECT_FALSE(AddressRange::parse("0.0.0.0/0")->contains(*Address::parse("unix:/x")));
    EXPECT_FALSE(AddressRange{}.contains(Address{}));
}

TEST(AddressRange, EveryPrefixLengthAgreesWithArithmetic) {
    Random random(3);
    for (int i = 0; i < 20'000; ++i) {
        const auto bits = static_cast<std::uint8_t>(random.below(33));
        const auto a = static_cast<std::uint32_t>(random.next());
        // Equal in a random number of leading bits, so that both answers are common.
        const auto b = static_cast<std::uint32_t>(a ^ (random.next() >> 32 >> random.below(33)));
        const auto address = [](std::uint32_t ip) {
            Address out;
            out.family = Family::v4;
            for (std::size_t at = 0; at < 4; ++at) {
                out.ip[at] = static_cast<std::uint8_t>(ip >> (24 - 8 * at));
            }
            return out;
        };
        const std::uint64_t mask = ~std::uint64_t{0} << (32 - bits);
        const bool expected = (a & mask) == (b & mask);
        const AddressRange range{.base = address(a), .bits = bits};
        ASSERT_EQ(range.contains(address(b)), expected) << a << ' ' << b << ' ' << int{bits};
    }
}

TEST(AddressRange, WrongOnesAreRefused) {
    for (const char* text : {"", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/a",
                             "/8", "10.0.0/8", "unix/8", "name", "10.0.0.0/8/8", "10.0.0.0/0008"}) {
        EXPECT_FALSE(AddressRange::parse(text)) << text;
    }
}

} // namespace
} // namespace hc::sys
