#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace tome {

std::string StreamingDecoder::push(TokenId id) {
  pending_ += tokenizer_.token_bytes(id);
  if (at_start_ && !pending_.empty()) {
    at_start_ = false;
    if (tokenizer_.spec().add_space_prefix && pending_.front() == ' ') pending_.erase(0, 1);
  }
  // Everything up to an unfinished character at the very end is decided.
  std::size_t decided = 0;
  while (decided < pending_.size()) {
    const Utf8Step step = read_utf8(pending_, decided);
    if (!step.complete) break;
    decided += step.length;
  }
  std::string whole = repair_utf8(std::string_view(pending_).substr(0, decided));
  pending_.erase(0, decided);
  return whole;
}

std::string StreamingDecoder::finish() {
  std::string rest = repair_utf8(pending_);
  pending_.clear();
  at_start_ = true;
  return rest;
}

}  // namespace tome
