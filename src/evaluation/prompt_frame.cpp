#include "evaluation/prompt_frame.h"

#include <span>

#include "runtime/prompt.h"

namespace tome {
namespace {

constexpr std::string_view user_mark = "\u2402tome user\u2403";  // no template and no vocabulary knows it

void append(std::vector<TokenId>& tokens, const std::vector<TokenId>& more) {
  tokens.insert(tokens.end(), more.begin(), more.end());
}

}  // namespace

Result<PromptFrame> PromptFrame::create(const Tokenizer& tokenizer) {
  PromptFrame frame(tokenizer);
  frame.chat_ = !tokenizer.spec().chat_template.empty();
  if (!frame.chat_) return frame;
  TOME_ASSIGN(const std::string rendered, render_chat(tokenizer, {{"user", std::string(user_mark), {}}}, true));
  const std::size_t at = rendered.find(user_mark);
  if (at == std::string::npos)
    return fail(ErrorKind::unsupported, "[eval] the model's chat template does not carry the user's text unchanged");
  frame.head_ = tokenizer.encode(rendered.substr(0, at), AddSpecial::yes, ParseSpecial::yes);
  frame.tail_ = tokenizer.encode(rendered.substr(at + user_mark.size()), AddSpecial::no, ParseSpecial::yes);
  return frame;
}

std::vector<TokenId> PromptFrame::encode(const PromptText& text, PromptFraming framing) const {
  if (!chat_ || framing == PromptFraming::plain)
    return tokenizer_->encode(text.user + text.joint + text.opening, AddSpecial::yes, ParseSpecial::no);
  std::vector<TokenId> tokens = head_;
  append(tokens, tokenizer_->encode(text.user, AddSpecial::no, ParseSpecial::no));
  append(tokens, tail_);
  if (!text.opening.empty()) append(tokens, tokenizer_->encode(text.opening, AddSpecial::no, ParseSpecial::no));
  return tokens;
}

PromptText PromptFrame::cut_middle(const PromptText& text, PromptFraming framing, std::uint64_t limit, MiddleCut rule,
                                   std::uint64_t& tokens_before) const {
  tokens_before = 0;
  if (limit == 0) return text;
  const bool plain = !chat_ || framing == PromptFraming::plain;
  PromptText result = text;
  if (plain) result = {text.user + text.joint + text.opening, "", ""};
  const std::vector<TokenId> tokens = tokenizer_->encode(result.user, AddSpecial::yes, ParseSpecial::no);
  tokens_before = tokens.size();
  if (tokens.size() <= limit) return text;
  const std::size_t first = limit / 2;
  const std::size_t last = rule == MiddleCut::equal_halves ? first : limit - first;
  const auto head = std::span(tokens).first(first);
  const auto tail = std::span(tokens).last(last);
  if (rule == MiddleCut::equal_halves) {
    result.user = tokenizer_->decode(head) + tokenizer_->decode(tail);
  } else {
    std::vector<TokenId> kept(head.begin(), head.end());
    kept.insert(kept.end(), tail.begin(), tail.end());
    result.user = tokenizer_->decode(kept);
  }
  return result;
}

}  // namespace tome
