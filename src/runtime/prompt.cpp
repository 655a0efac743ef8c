#include "runtime/prompt.h"

#include "tokenizer/chat_template.h"

namespace tome {
namespace {

// Stand-ins for the parts while a template is rendered: no template and no vocabulary knows them.
constexpr std::string_view text_mark = "\u2402tome text\u2403";
constexpr std::string_view question_mark = "\u2402tome question\u2403";

std::string special_text(const TokenizerSpec& spec, std::int64_t id) {
  return id >= 0 && static_cast<std::size_t>(id) < spec.tokens.size() ? spec.tokens[static_cast<std::size_t>(id)] : "";
}

}  // namespace

std::string_view prompt_form_name(PromptForm form) {
  return form == PromptForm::chat ? "chat template" : "plain continuation";
}

Result<std::string> render_chat(const Tokenizer& tokenizer, const std::vector<ChatMessage>& messages, bool for_reply) {
  const TokenizerSpec& spec = tokenizer.spec();
  if (spec.chat_template.empty())
    return fail(ErrorKind::unsupported, "[prompt] the model file has no chat template: it is a base model");
  TOME_ASSIGN(const auto chat_template, ChatTemplate::parse(spec.chat_template));
  Json list = Json::array();
  for (const ChatMessage& message : messages) list.push_back({{"role", message.role}, {"content", message.content}});
  return chat_template->render({{"messages", std::move(list)},
                                {"add_generation_prompt", for_reply},
                                {"bos_token", special_text(spec, spec.bos)},
                                {"eos_token", special_text(spec, spec.eos)}});
}

Result<std::vector<TokenId>> encode_chat(const Tokenizer& tokenizer, const std::vector<ChatMessage>& messages) {
  std::vector<TokenId> tokens;
  const auto append = [&](std::string_view text, AddSpecial add, ParseSpecial parse) {
    const std::vector<TokenId> piece = tokenizer.encode(text, add, parse);
    tokens.insert(tokens.end(), piece.begin(), piece.end());
  };
  const auto append_content = [&](const ChatMessage& message) {
    if (message.tokens.empty())
      append(message.content, AddSpecial::no, ParseSpecial::no);
    else
      tokens.insert(tokens.end(), message.tokens.begin(), message.tokens.end());
  };
  if (tokenizer.spec().chat_template.empty()) {
    append("", AddSpecial::yes, ParseSpecial::no);
    for (const ChatMessage& message : messages) {
      if (message.role != "system")
        append(message.role == "user" ? "User: " : "Assistant:", AddSpecial::no, ParseSpecial::no);
      append_content(message);
      append(message.role == "assistant" ? "\n" : "\n\n", AddSpecial::no, ParseSpecial::no);
    }
    append("Assistant:", AddSpecial::no, ParseSpecial::no);
    return tokens;
  }
  // Rendered with a stand-in for each content, then cut there: template text may hold control tokens, contents may not.
  const auto mark = [](std::size_t index) { return fmt::format("\u2402tome message {}\u2403", index); };
  std::vector<ChatMessage> marked;
  for (std::size_t index = 0; index < messages.size(); ++index)
    marked.push_back({messages[index].role, mark(index), {}});
  TOME_ASSIGN(const std::string rendered, render_chat(tokenizer, marked, true));
  std::size_t from = 0;
  for (std::size_t index = 0; index < messages.size(); ++index) {
    const std::size_t at = rendered.find(mark(index), from);
    if (at == std::string::npos)
      return fail(ErrorKind::unsupported, "[prompt] the model's chat template does not carry message {} unchanged",
                  index + 1);
    append(std::string_view(rendered).substr(from, at - from), index == 0 ? AddSpecial::yes : AddSpecial::no,
           ParseSpecial::yes);
    append_content(messages[index]);
    from = at + mark(index).size();
  }
  append(std::string_view(rendered).substr(from), messages.empty() ? AddSpecial::yes : AddSpecial::no,
         ParseSpecial::yes);
  return tokens;
}

std::vector<std::string> chat_stops(const Tokenizer& tokenizer) {
  if (!tokenizer.spec().chat_template.empty()) return {};
  return {"\nUser:", "\n\n"};
}

Result<DocumentPrompt> DocumentPrompt::create(const Tokenizer& tokenizer, std::optional<PromptForm> form) {
  DocumentPrompt prompt(tokenizer);
  prompt.form_ = form.value_or(tokenizer.spec().chat_template.empty() ? PromptForm::continuation : PromptForm::chat);
  if (prompt.form_ == PromptForm::continuation) {
    prompt.head_ = tokenizer.encode("", AddSpecial::yes, ParseSpecial::no);
    prompt.before_question_ = "\n\nQuestion: ";
    prompt.after_question_ = "\nAnswer:";
    return prompt;
  }
  const std::string content = fmt::format("{}\n\nQuestion: {}", text_mark, question_mark);
  TOME_ASSIGN(const std::string rendered, render_chat(tokenizer, {{"user", content, {}}}, true));
  const std::size_t text_at = rendered.find(text_mark);
  const std::size_t question_at = rendered.find(question_mark);
  if (text_at == std::string::npos || question_at == std::string::npos || question_at < text_at)
    return fail(ErrorKind::unsupported, "[prompt] the model's chat template does not carry the user's text unchanged");
  prompt.head_ = tokenizer.encode(rendered.substr(0, text_at), AddSpecial::yes, ParseSpecial::yes);
  const std::size_t after_text = text_at + text_mark.size();
  prompt.before_question_ = rendered.substr(after_text, question_at - after_text);
  prompt.tail_ = rendered.substr(question_at + question_mark.size());
  // The reply's first word is given: small instruct models then answer in a line instead of talking about the topic.
  prompt.reply_opening_ = "Answer:";
  return prompt;
}

DocumentPrompt::Text DocumentPrompt::text(std::string_view text) const {
  Text result;
  result.tokens = tokenizer_->encode_with_offsets(text, AddSpecial::no, ParseSpecial::no, result.offsets);
  return result;
}

DocumentPrompt::Question DocumentPrompt::question(std::string_view question) const {
  Question result;
  std::vector<std::uint64_t> offsets;
  const std::string whole = before_question_ + std::string(question) + after_question_;
  result.tokens = tokenizer_->encode_with_offsets(whole, AddSpecial::no, ParseSpecial::no, offsets);
  // A token belongs to the question when it covers one of its bytes.
  const std::uint64_t begin = before_question_.size();
  const std::uint64_t end = begin + question.size();
  while (result.first_row < result.tokens.size() && offsets[result.first_row + 1] <= begin) ++result.first_row;
  result.last_row = result.first_row;
  while (result.last_row < result.tokens.size() && offsets[result.last_row] < end) ++result.last_row;
  const std::vector<TokenId> tail = tokenizer_->encode(tail_, AddSpecial::no, ParseSpecial::yes);
  result.tokens.insert(result.tokens.end(), tail.begin(), tail.end());
  const std::vector<TokenId> opening = tokenizer_->encode(reply_opening_, AddSpecial::no, ParseSpecial::no);
  result.tokens.insert(result.tokens.end(), opening.begin(), opening.end());
  return result;
}

std::vector<std::string> DocumentPrompt::stops() const { return {"\n", "Question:"}; }

}  // namespace tome
