#pragma once
// A strict reader of XML for tests: enough to see that a page or picture is well-formed and what is in it.
#include <cctype>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/utf8.h"

namespace tome::markup {

struct Element {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::vector<std::unique_ptr<Element>> children;
  std::string text;  ///< its own, without the children's

  std::string attribute(const std::string& key) const {
    const auto found = attributes.find(key);
    return found == attributes.end() ? "" : found->second;
  }
  bool has_class(const std::string& one) const {
    return (" " + attribute("class") + " ").find(" " + one + " ") != std::string::npos;
  }
};

inline void visit(const Element& root, const std::function<void(const Element&)>& look) {
  look(root);
  for (const auto& child : root.children) visit(*child, look);
}

inline std::vector<const Element*> all(const Element& root, const std::string& name,
                                       const std::string& one_class = "") {
  std::vector<const Element*> found;
  visit(root, [&](const Element& element) {
    if (element.name == name && (one_class.empty() || element.has_class(one_class))) found.push_back(&element);
  });
  return found;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  /// Null, with problem() saying why, for what is not well-formed.
  std::unique_ptr<Element> read() {
    if (!is_valid_utf8(text_)) return refuse("not UTF-8");
    if (text_.starts_with("<!DOCTYPE html>")) at_ = 15;
    skip_space();
    auto root = element();
    skip_space();
    if (root && at_ != text_.size()) return refuse("something follows the root");
    return root;
  }
  const std::string& problem() const { return problem_; }

 private:
  std::unique_ptr<Element> refuse(const std::string& why) {
    if (problem_.empty())
      problem_ =
          why + " at byte " + std::to_string(at_) + ": " + std::string(text_.substr(std::min(at_, text_.size()), 60));
    return nullptr;
  }
  bool take(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return false;
    at_ += expected.size();
    return true;
  }
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  std::string word() {
    const std::size_t begin = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '-' || text_[at_] == ':'))
      ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  /// One character or entity of text; none: not allowed there.
  std::optional<std::string> character() {
    for (const auto& [entity, meaning] : {std::pair<std::string_view, std::string_view>{"&amp;", "&"},
                                          {"&lt;", "<"},
                                          {"&gt;", ">"},
                                          {"&quot;", "\""},
                                          {"&#39;", "'"}})
      if (take(entity)) return std::string(meaning);
    const auto byte = static_cast<unsigned char>(text_[at_]);
    if (byte == '&' || byte == '<' || (byte < 0x20 && byte != '\n' && byte != '\t' && byte != '\r') || byte == 0x7f)
      return std::nullopt;
    return std::string(1, text_[at_++]);
  }

  bool attribute(Element& element) {
    const std::string key = word();
    if (key.empty() || !take("=\"")) return false;
    std::string value;
    while (at_ < text_.size() && text_[at_] != '"') {
      const auto one = character();
      if (!one) return false;
      value += *one;
    }
    return take("\"") && element.attributes.emplace(key, value).second;
  }

  std::unique_ptr<Element> element() {
    auto result = std::make_unique<Element>();
    if (!take("<")) return refuse("expected an element");
    result->name = word();
    if (result->name.empty()) return refuse("expected a name");
    for (skip_space(); !take(">"); skip_space()) {
      if (take("/>")) return result;
      if (!attribute(*result)) return refuse("expected an attribute");
    }
    while (!take("</")) {
      if (at_ >= text_.size()) return refuse("the text ends inside " + result->name);
      if (text_[at_] == '<') {
        auto child = element();
        if (!child) return nullptr;
        result->children.push_back(std::move(child));
      } else if (const auto one = character()) {
        result->text += *one;
      } else {
        return refuse("expected text");
      }
    }
    if (word() != result->name || !take(">")) return refuse("expected the end of " + result->name);
    return result;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string problem_;
};

}  // namespace tome::markup
