#include "tokenizer/chat_template.h"

#include <gtest/gtest.h>

#include <ctime>

#include "base/mapped_file.h"

namespace tome {
namespace {

using Ordered = nlohmann::ordered_json;

std::string folder() { return std::string(TOME_TEST_DATA) + "/tokenizer/"; }

std::string contents(const std::string& path) {
  const auto text = read_file(path, 1 << 26);
  if (!text) throw std::runtime_error(text.error().message);
  return *text;
}

const Ordered& goldens() {
  static const Ordered parsed = Ordered::parse(contents(folder() + "template_goldens.json"));
  return parsed;
}

Result<std::string> render(const std::string& source, const Ordered& variables = Ordered::object(),
                           const TemplateLimits& limits = {}) {
  TOME_ASSIGN(const auto parsed, ChatTemplate::parse(source, limits));
  return parsed->render_ordered(variables);
}

/// The text, or "error: …".
std::string shown(const std::string& source, const Ordered& variables = Ordered::object(),
                  const TemplateLimits& limits = {}) {
  const auto result = render(source, variables, limits);
  return result ? *result : "error: " + result.error().message;
}

void expect_golden(const Ordered& golden, const std::string& source, const Ordered& variables) {
  const auto result = render(source, variables);
  const std::string name = golden.contains("file")
                               ? golden.at("file").get<std::string>() + " " + golden.at("set").get<std::string>()
                               : source;
  if (golden.contains("error")) {
    EXPECT_FALSE(result) << name << "\njinja2: " << golden.at("error") << "\nhere: " << *result;
    return;
  }
  ASSERT_TRUE(result) << name << ": " << result.error().message;
  EXPECT_EQ(*result, golden.at("text").get<std::string>()) << name;
}

TEST(ChatTemplate, templates_of_the_families_give_what_jinja2_gives_for_every_conversation) {
  std::size_t compared = 0;
  for (const Ordered& golden : goldens().at("goldens")) {
    if (!golden.contains("file")) continue;
    expect_golden(golden, contents(folder() + "templates/" + golden.at("file").get<std::string>()),
                  goldens().at("sets").at(golden.at("set").get<std::string>()));
    ++compared;
  }
  EXPECT_GT(compared, 250u);
}

TEST(ChatTemplate, every_construct_gives_what_jinja2_gives_and_fails_where_it_fails) {
  std::size_t compared = 0;
  for (const Ordered& golden : goldens().at("goldens")) {
    if (!golden.contains("template")) continue;
    expect_golden(golden, golden.at("template"), goldens().at("snippet_variables"));
    ++compared;
  }
  EXPECT_GT(compared, 100u);
}

TEST(ChatTemplate, what_is_not_known_is_an_error_with_line_and_column) {
  EXPECT_EQ(shown("a\n  {{ x | frobnicate }}"),
            "error: [chat template] line 2, column 10: unknown filter 'frobnicate'");
  EXPECT_EQ(shown("{{ x is frobnicated }}"), "error: [chat template] line 1, column 9: unknown test 'frobnicated'");
  EXPECT_EQ(shown("\n\n{% include 'x' %}"), "error: [chat template] line 3, column 4: unknown statement 'include'");
  EXPECT_EQ(shown("{{ f(*x) }}"), "error: [chat template] line 1, column 6: unpacking of arguments with '*'");
  EXPECT_EQ(shown("é{{ 1 + }}"), "error: [chat template] line 1, column 9: expected an expression, found '}}'");
  EXPECT_EQ(shown("{% if x %}"),
            "error: [chat template] line 1, column 11: expected {% endif %}, found the end of the template");
  EXPECT_EQ(shown("{{ 'abc }}"), "error: [chat template] line 1, column 4: the string is never closed");
  EXPECT_EQ(shown("{# x"), "error: [chat template] line 1, column 1: the comment is never closed");
  EXPECT_EQ(shown("{{ x"), "error: [chat template] line 1, column 1: the tag is never closed");
  EXPECT_EQ(shown("{% raw %} x"), "error: [chat template] line 1, column 1: the raw block is never closed");
  EXPECT_EQ(shown("{{ a ! b }}"), "error: [chat template] line 1, column 6: '!' begins no expression");
  EXPECT_EQ(shown("{{ a ] }}"), "error: [chat template] line 1, column 6: ']' closes nothing");
  EXPECT_EQ(shown("{{ 99999999999999999999 }}"),
            "error: [chat template] line 1, column 4: the number does not fit 64 bits");
  EXPECT_EQ(shown("\xFF"), "error: [chat template] not valid UTF-8");
}

TEST(ChatTemplate, what_the_template_raises_is_the_error) {
  EXPECT_EQ(shown("a\n{{ raise_exception('Roles must alternate') }}"),
            "error: [chat template] line 2, column 19: the template refuses: Roles must alternate");
  EXPECT_EQ(shown("{{ messages[0].content.x }}", {{"y", 1}}),
            "error: [chat template] line 1, column 12: 'messages' is undefined, so it has no 0");
}

TEST(ChatTemplate, json_writes_keys_in_the_users_order_or_sorted_as_the_caller_holds_them) {
  const auto parsed = ChatTemplate::parse("{{ d | tojson }}");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*(*parsed)->render_ordered({{"d", {{"b", 1}, {"a", "<&'>"}}}}), R"({"b": 1, "a": "<&'>"})");
  EXPECT_EQ(*(*parsed)->render({{"d", {{"b", 1}, {"a", 2}}}}), R"({"a": 2, "b": 1})");
}

TEST(ChatTemplate, strftime_now_gives_todays_date) {
  const std::time_t before = std::time(nullptr);
  const std::string text = shown("{{ strftime_now('%Y-%m-%d') }}");
  const std::time_t after = std::time(nullptr);
  const auto date = [](std::time_t moment) {
    char buffer[32];
    std::tm parts{};
    localtime_r(&moment, &parts);
    std::strftime(buffer, sizeof buffer, "%Y-%m-%d", &parts);
    return std::string(buffer);
  };
  EXPECT_TRUE(text == date(before) || text == date(after)) << text;
}

TEST(ChatTemplate, ill_formed_utf8_in_variables_is_repaired) {
  EXPECT_EQ(shown("{{ x }}|{{ x | length }}", {{"x", "a\xFF"}}), "a\uFFFD|2");
}

TEST(ChatTemplate, steps_bytes_and_depth_are_limited) {
  const auto ends_with = [](const std::string& text, const std::string& tail) {
    return text.size() >= tail.size() && text.substr(text.size() - tail.size()) == tail;
  };
  TemplateLimits small;
  small.steps = 1000;
  small.bytes = 40'000;
  small.depth = 50;
  EXPECT_TRUE(ends_with(shown("{% for i in range(900) %}{{ i }}{% endfor %}", {}, small), "does more than 1000 steps"));
  EXPECT_TRUE(ends_with(
      shown("{% set ns = namespace(s='0123456789') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
            {}, small),
      "makes more than 40000 bytes"));
  EXPECT_TRUE(ends_with(shown("{{ 'x' * 50000 }}", {}, small), "makes more than 40000 bytes"));
  EXPECT_TRUE(ends_with(shown("{{ [1] * 9223372036854775807 }}"), "steps")) << shown("{{ [1] * 9223372036854775807 }}");
  EXPECT_TRUE(
      ends_with(shown("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", {}, small), "recursion deeper than 50"));
  EXPECT_TRUE(ends_with(shown("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), "recursion deeper than 600"));
  std::string nested;
  for (int level = 0; level < 5000; ++level) nested = '(' + nested + ')';
  EXPECT_TRUE(ends_with(shown("{{ " + nested + " }}"), "nested deeper than 150"));
  std::string chain = "{{ a";
  for (int link = 0; link < 5000; ++link) chain += ".a";
  EXPECT_FALSE(render(chain + " }}"));
  EXPECT_TRUE(
      ends_with(shown("{% set ns = namespace(v=[]) %}{% for i in range(2000) %}{% set ns.v = [ns.v] %}{% endfor %}"),
                "values nested deeper than 100"));
}

TEST(ChatTemplate, a_namespace_cannot_hold_itself) {
  EXPECT_EQ(shown("{% set ns = namespace() %}{% set ns.x = ns %}"),
            "error: [chat template] line 1, column 34: a namespace inside a namespace");
  EXPECT_EQ(shown("{% set ns = namespace() %}{{ [ns] }}"),
            "error: [chat template] line 1, column 30: a namespace inside a list, dict or namespace");
}

}  // namespace
}  // namespace tome
