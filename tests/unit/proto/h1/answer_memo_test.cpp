#include "core/proto/h1/answer_memo.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/base/random.hpp"
#include "core/proto/h1/writer.hpp"

namespace hc::h1 {
namespace {

using http::Field;
using http::FieldName;

constexpr std::string_view date = "Sun, 06 Nov 1994 08:49:37 GMT";

struct Given {
    int status = 200;
    std::vector<Field> fields;
    std::string_view body;
    bool close = false;
    std::string_view date = h1::date;
};

/// What the memo writes into exactly as many bytes as it asks for; "nothing" when it declines.
std::string written(AnswerMemo& memo, const Given& given) {
    const bool held = memo.holds(given.status, given.fields);
    const std::size_t bound = memo.bound(held, given.fields, given.body, "hc");
    const std::unique_ptr<char[]> out(new char[bound]);
    char* end = memo.write(out.get(), held, given.status, given.fields, given.body, given.close,
                           given.date, "hc");
    if (end == nullptr) return "nothing";
    EXPECT_LE(end, out.get() + bound);
    return {out.get(), end};
}

/// The same answer by the functions that decide about all answers.
std::string planned(const Given& given) {
    const auto facts = examine(given.fields);
    if (!facts) return "examine: " + facts.error().message;
    const auto plan =
        plan_answer({.keep_alive = !given.close}, given.status, *facts, given.body.size());
    if (!plan) return "plan: " + plan.error().message;
    std::string out(response_head_bound(given.status, *facts, "hc"), '\0');
    char* end = write_response_head(out.data(), given.status, given.fields, *facts, *plan,
                                    given.date, "hc");
    out.resize(static_cast<std::size_t>(end - out.data()));
    return out.append(given.body);
}

TEST(H1AnswerMemo, TheSameAnswerIsHeldAndReadsTheSame) {
    AnswerMemo memo;
    const Given given{.fields = {{"Content-Type", "text/plain", FieldName::content_type}},
                      .body = "hello"};
    EXPECT_FALSE(memo.holds(given.status, given.fields));
    EXPECT_EQ(written(memo, given), planned(given));
    EXPECT_TRUE(memo.holds(given.status, given.fields));
    EXPECT_EQ(written(memo, given), planned(given));
}

TEST(H1AnswerMemo, BodyCloseAndDateAreOfTheAnswerNotOfTheMemo) {
    AnswerMemo memo;
    Given given{.fields = {{"a", "b"}}, .body = "1"};
    written(memo, given);
    given.body = "0123456789abcdef0123456789abcdef!";
    given.close = true;
    given.date = "Mon, 07 Nov 1994 09:50:38 GMT";
    ASSERT_TRUE(memo.holds(given.status, given.fields));
    EXPECT_EQ(written(memo, given), planned(given));
}

TEST(H1AnswerMemo, WhatTheFieldsPointToIsLookedAtAgain) {
    AnswerMemo memo;
    std::string name = "x-name";
    std::string value = "a value of some length";
    const Given given{.fields = {{name, value}}};
    written(memo, given);
    for (std::size_t i = 0; i < value.size(); ++i) {
        value[i] = '!';
        EXPECT_FALSE(memo.holds(given.status, given.fields)) << i;
        EXPECT_EQ(written(memo, given), planned(given));
    }
    name[5] = 'X';
    EXPECT_FALSE(memo.holds(given.status, given.fields));
    value[3] = '\n';
    EXPECT_EQ(written(memo, given), "nothing");
}

TEST(H1AnswerMemo, AWrongNumberOrANullIsRefusedAlsoWhenTheTextIsHeld) {
    AnswerMemo memo;
    written(memo, {.fields = {{"Host", "h", FieldName::host}}});
    EXPECT_EQ(written(memo, {.fields = {{"Host", "h", FieldName::accept}}}), "nothing");
    Field null("Host", "h", FieldName::host);
    written(memo, {.fields = {null}});
    null.name_data = nullptr;
    EXPECT_EQ(written(memo, {.fields = {null}}), "nothing");
    EXPECT_FALSE(examine({&null, 1}));
    null = Field("Host", "h", FieldName::host);
    null.value_data = nullptr;
    EXPECT_EQ(written(memo, {.fields = {null}}), "nothing");
    EXPECT_FALSE(examine({&null, 1}));
}

TEST(H1AnswerMemo, WhatIsNotPlainIsDeclined) {
    AnswerMemo memo;
    for (int status : {100, 101, 103, 199, 204, 304, 600, 999}) {
        EXPECT_EQ(written(memo, {.status = status}), "nothing") << status;
    }
    for (const Field& field :
         {Field("Content-Length", "0"), Field("date", "D"), Field("Server", "S"),
          Field("Connection", "close"), Field("Transfer-Encoding", "chunked"), Field("a b", "c")}) {
        EXPECT_EQ(written(memo, {.fields = {field}}), "nothing") << field.name();
    }
}

TEST(H1AnswerMemo, TooMuchToKeepIsWrittenAllTheSame) {
    AnswerMemo memo;
    const std::string value(600, 'v');
    const Given large{.fields = {{"x", value}}};
    const Given many{.fields = std::vector<Field>(40, Field("x", "y"))};
    for (const Given& given : {large, many, large, many}) {
        EXPECT_EQ(written(memo, given), planned(given));
        EXPECT_FALSE(memo.holds(given.status, given.fields));
    }
}

/// Answers that differ in one thing or another, with one memo for all of them.
TEST(H1AnswerMemo, IsNeverWrongAboutRandomAnswers) {
    Random random(20);
    const std::string_view names[] = {"a",
                                      "x-request-id",
                                      "Content-Type",
                                      "content-type",
                                      "x-a-name-that-is-longer-than-others-are",
                                      "ETag"};
    const std::string_view values[] = {"",
                                       "b",
                                       "text/plain",
                                       "TEXT/PLAIN",
                                       "\"0123456789abcdef\"",
                                       "a value that does not fit into thirty-two bytes, by far"};
    AnswerMemo memo;
    int held = 0;
    for (int i = 0; i < 20'000; ++i) {
        Given given{.status = random.below(4) == 0 ? 404 : 200,
                    .body = values[random.below(6)],
                    .close = random.below(5) == 0};
        for (std::uint64_t n = random.below(3); n > 0; --n) {
            given.fields.emplace_back(names[random.below(6)], values[random.below(6)]);
        }
        held += memo.holds(given.status, given.fields) ? 1 : 0;
        ASSERT_EQ(written(memo, given), planned(given));
    }
    EXPECT_GT(held, 500);
}

} // namespace
} // namespace hc::h1
