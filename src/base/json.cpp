#include "base/json.h"

#include <set>
#include <vector>

namespace tome {
namespace {

/// Forwards to nlohmann's DOM builder after checking depth and duplicate keys.
class StrictBuilder : public nlohmann::json_sax<Json> {
 public:
  StrictBuilder(Json& root, const JsonLimits& limits) : dom_(root, false), limits_(limits) {}
  bool null() override { return dom_.null(); }
  bool boolean(bool value) override { return dom_.boolean(value); }
  bool number_integer(number_integer_t value) override { return dom_.number_integer(value); }
  bool number_unsigned(number_unsigned_t value) override { return dom_.number_unsigned(value); }
  bool number_float(number_float_t value, const string_t& text) override { return dom_.number_float(value, text); }
  bool string(string_t& value) override { return dom_.string(value); }
  bool binary(binary_t& value) override { return dom_.binary(value); }
  bool start_object(std::size_t count) override {
    if (!enter()) return false;
    keys_.emplace_back();
    return dom_.start_object(count);
  }
  bool key(string_t& value) override {
    if (!keys_.back().insert(value).second) return refuse(fmt::format("duplicate key '{}'", value));
    return dom_.key(value);
  }
  bool end_object() override {
    keys_.pop_back();
    --depth_;
    return dom_.end_object();
  }
  bool start_array(std::size_t count) override { return enter() && dom_.start_array(count); }
  bool end_array() override {
    --depth_;
    return dom_.end_array();
  }
  bool parse_error(std::size_t position, const std::string& token, const nlohmann::detail::exception&) override {
    return refuse(fmt::format("not JSON at byte {}, near '{}'", position, token.substr(0, 40)));
  }
  const std::string& problem() const { return problem_; }

 private:
  bool enter() {
    if (++depth_ > limits_.max_depth) return refuse(fmt::format("nested deeper than {}", limits_.max_depth));
    return true;
  }
  bool refuse(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
    return false;
  }
  nlohmann::detail::json_sax_dom_parser<Json> dom_;
  JsonLimits limits_;
  std::vector<std::set<std::string>> keys_;
  std::size_t depth_ = 0;
  std::string problem_;
};

/// Replaces bare Infinity, -Infinity and NaN outside strings, as Python's json writes them.
std::string without_bare_infinity(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '"') quoted = !quoted;
    if (quoted && text[at] == '\\' && at + 1 < text.size()) result += text[at++];
    if (!quoted && text.substr(at, 8) == "Infinity") {
      result += "1e308";
      at += 7;
    } else if (!quoted && text.substr(at, 3) == "NaN") {
      result += "null";
      at += 2;
    } else {
      result += text[at];
    }
  }
  return result;
}

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view what, const JsonLimits& limits) {
  std::string patched;
  if (limits.allow_bare_infinity) {
    patched = without_bare_infinity(text);
    text = patched;
  }
  Json root;
  StrictBuilder builder(root, limits);
  if (!Json::sax_parse(text, &builder))
    return fail(ErrorKind::format, "{}: {}", what, builder.problem().empty() ? "not JSON" : builder.problem());
  return root;
}

}  // namespace tome
