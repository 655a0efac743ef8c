#pragma once
// How a model is asked about a text: a base model by plain continuation ("… Question: Q / Answer:"), an instruct model
// through its own chat template. The prompt has three parts: what goes before the text, the text itself, and the
// question with everything after it; the text is never read for special tokens, whatever it contains.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/tokenizer.h"

namespace tome {

enum class PromptForm { continuation, chat };
std::string_view prompt_form_name(PromptForm form);

struct ChatMessage {
  std::string role;  ///< "system", "user", "assistant"
  std::string content;
  std::vector<TokenId> tokens;  ///< the content as it was generated; empty: tokenize `content`
};
/// A conversation so far in the model's own template, as text. Errors: unsupported when the model has no template;
/// those of the template.
Result<std::string> render_chat(const Tokenizer& tokenizer, const std::vector<ChatMessage>& messages, bool for_reply);
/// The same as tokens, ready for the assistant's turn. Contents are never read for special tokens. A model without a
/// template gets "User: … / Assistant:" lines. Errors: also unsupported, for a template that drops or changes contents.
Result<std::vector<TokenId>> encode_chat(const Tokenizer& tokenizer, const std::vector<ChatMessage>& messages);
/// Where a reply in that form ends, beside the model's end tokens.
std::vector<std::string> chat_stops(const Tokenizer& tokenizer);

class DocumentPrompt {
 public:
  struct Question {
    std::vector<TokenId> tokens;
    std::size_t first_row = 0, last_row = 0;  ///< the question's own tokens in `tokens`, without the template's
  };
  struct Text {
    std::vector<TokenId> tokens;
    std::vector<std::uint64_t> offsets;  ///< first byte of each token, and the end
  };

  /// The form that fits the model (a chat template means chat), or the one asked for. The tokenizer must outlive this.
  /// Errors: unsupported (chat without a template, a template that drops the user's text), those of the template.
  static Result<DocumentPrompt> create(const Tokenizer& tokenizer, std::optional<PromptForm> form = std::nullopt);

  PromptForm form() const { return form_; }
  const std::vector<TokenId>& head() const { return head_; }  ///< BOS, the template's first words
  Text text(std::string_view text) const;
  Question question(std::string_view question) const;
  /// Where an answer ends, beside the model's end tokens.
  std::vector<std::string> stops() const;

 private:
  explicit DocumentPrompt(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}
  const Tokenizer* tokenizer_;
  PromptForm form_ = PromptForm::continuation;
  std::vector<TokenId> head_;
  std::string before_question_, after_question_;
  std::string tail_;           ///< the template's words after the user's
  std::string reply_opening_;  ///< the first word of the reply, as text
};

}  // namespace tome
