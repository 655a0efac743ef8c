#include "extend/chat_turns.h"

#include <array>

#include "runtime/prompt.h"

namespace tome::extend {

Result<ChatTurns> chat_turns(const Tokenizer& tokenizer) {
  ChatTurns turns;
  if (tokenizer.spec().chat_template.empty()) return turns;
  // Rendered with a stand-in for each content and cut there; no template and no vocabulary knows them.
  const std::array<std::string, 3> said = {"\u2402tome asks\u2403", "\u2402tome replies\u2403",
                                           "\u2402tome asks again\u2403"};
  TOME_ASSIGN(const std::string rendered,
              render_chat(tokenizer, {{"user", said[0], {}}, {"assistant", said[1], {}}, {"user", said[2], {}}}, true));
  std::array<std::string, 4> between;  // before, between and after them
  std::size_t from = 0;
  for (std::size_t i = 0; i < said.size(); ++i) {
    const std::size_t at = rendered.find(said[i], from);
    if (at == std::string::npos)
      return fail(ErrorKind::unsupported, "[training] the model's chat template does not carry turn {} unchanged",
                  i + 1);
    between[i] = rendered.substr(from, at - from);
    from = at + said[i].size();
  }
  between[3] = rendered.substr(from);
  const auto tokens_of = [&](const std::string& text) {
    return tokenizer.encode(text, AddSpecial::no, ParseSpecial::yes);
  };
  turns = {.head = tokens_of(between[0]), .before_reply = tokens_of(between[3]), .after_reply = tokens_of(between[2])};
  // Samples begin with BOS by themselves.
  if (!turns.head.empty() && turns.head.front() == tokenizer.spec().bos) turns.head.erase(turns.head.begin());
  return turns;
}

}  // namespace tome::extend
