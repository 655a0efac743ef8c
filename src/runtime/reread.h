#pragma once
// Re-reading: the passages that the evidence heads point at, in document order, become a short text of their own, and
// the question is asked of that. Small models answer from 600 tokens what they cannot answer from 28,000 (evidence.md).
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/document.h"
#include "runtime/passages.h"

namespace tome {

struct RereadText {
  std::string text;
  std::vector<Excerpt> excerpts;  ///< those in `text`, in document order
};

/// The excerpts of the best `passages`, fewer when they would be more than `token_limit` tokens (the least ranked is
/// left out first, the best is always kept). count_tokens: of a text, in the answering model's vocabulary.
RereadText make_reread_text(const Document& document, std::span<const Passage> passages, std::uint64_t token_limit,
                            const std::function<std::uint64_t(std::string_view)>& count_tokens,
                            const ExcerptOptions& options = {});

}  // namespace tome
