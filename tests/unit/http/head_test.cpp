#include "core/http/head.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/http/status.hpp"

namespace hc::http {
namespace {

TEST(Method, NamesAreCaseSensitive) {
    for (int i = 1; i <= static_cast<int>(Method::patch); ++i) {
        const auto method = static_cast<Method>(i);
        EXPECT_EQ(lookup_method(method_text(method)), method);
    }
    EXPECT_EQ(method_text(Method::delete_), "DELETE");
    EXPECT_EQ(lookup_method("get"), Method::other);
    EXPECT_EQ(lookup_method("GETS"), Method::other);
    EXPECT_EQ(lookup_method(""), Method::other);
    EXPECT_TRUE(is_safe(Method::get) && is_safe(Method::head) && is_safe(Method::options) &&
                is_safe(Method::trace));
    EXPECT_FALSE(is_safe(Method::post) || is_safe(Method::connect) || is_safe(Method::other));
}

TEST(Status, ReasonsAndBodies) {
    EXPECT_EQ(reason_phrase(200), "OK");
    EXPECT_EQ(reason_phrase(431), "Request Header Fields Too Large");
    EXPECT_EQ(reason_phrase(299), "");
    EXPECT_EQ(reason_phrase(-1), "");
    EXPECT_TRUE(never_has_body(100) && never_has_body(204) && never_has_body(304));
    EXPECT_FALSE(never_has_body(200) || never_has_body(205));
    EXPECT_TRUE(is_interim(103) && !is_interim(200) && !is_interim(99));
}

struct Sample {
    std::string bytes = "GET /p?q HTTP/1.1\r\nHost: h\r\nX-Own: 1\r\nx-own: 2\r\n\r\n";
    std::vector<FieldRef> fields{
        {.name = 19, .value = 25, .value_size = 1, .name_size = 4, .known = FieldName::host},
        {.name = 28, .value = 35, .value_size = 1, .name_size = 5},
        {.name = 38, .value = 45, .value_size = 1, .name_size = 5}};
    HeadView view() const {
        HeadView v;
        v.base = bytes.data();
        v.size = static_cast<std::uint32_t>(bytes.size());
        v.fields = fields.data();
        v.field_count = static_cast<std::uint32_t>(fields.size());
        v.method = Method::get;
        v.path = {4, 2};
        v.query = {7, 1};
        v.has_query = true;
        return v;
    }
};

TEST(HeadView, FindsByNumberAndByName) {
    const Sample sample;
    const HeadView head = sample.view();
    EXPECT_EQ(head.find(FieldName::host), "h");
    EXPECT_EQ(head.find("HOST"), "h");
    EXPECT_EQ(head.find("X-OWN"), "1") << "the first of them";
    EXPECT_EQ(head.find("x-other"), std::nullopt);
    EXPECT_EQ(head.find(FieldName::accept), std::nullopt);
    EXPECT_EQ(head.find(FieldName::other), std::nullopt) << "other is no name";
    EXPECT_EQ(head.text(head.path), "/p");
}

TEST(OwnedHead, OutlivesItsSource) {
    OwnedHead owned;
    EXPECT_FALSE(owned);
    {
        const auto sample = std::make_unique<Sample>();
        owned = OwnedHead(sample->view());
        sample->bytes.assign(sample->bytes.size(), '!');
        sample->fields.clear();
    }
    ASSERT_TRUE(owned);
    const OwnedHead moved = std::move(owned);
    EXPECT_EQ(moved.view().find("host"), "h");
    EXPECT_EQ(moved.view().find("x-own"), "1");
    EXPECT_EQ(moved.view().text(moved.view().query), "q");
    EXPECT_EQ(moved.view().method, Method::get);
    EXPECT_TRUE(moved.view().has_query);
}

TEST(OwnedHead, CopiesAnEmptyHead) {
    const OwnedHead owned{HeadView{}};
    EXPECT_TRUE(owned);
    EXPECT_EQ(owned.view().field_count, 0U);
}

} // namespace
} // namespace hc::http
