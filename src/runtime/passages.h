#pragma once
// Passages: the document in pieces of a fixed number of tokens, scored by what the evidence heads look at
// (evidence.md), ranked, and made readable: widened to sentence or paragraph ends, overlapping ones merged, in document
// order.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/document.h"

namespace tome {

/// One piece of `length` tokens.
struct Passage {
  std::uint64_t index = 0;                        ///< in the document, from 0
  std::uint64_t first_token = 0, last_token = 0;  ///< [first, last) of the document's own tokens
  std::uint64_t begin = 0, end = 0;               ///< bytes of Document::text()
  double score = 0;                               ///< attention mass, or a lexical score
  double share = 0;                               ///< of the sum over all passages (of their positive scores)
};

/// token_offsets: first byte of each document token and the end, as Tokenizer::encode_with_offsets gives them.
/// The passages in document order, unscored. length > 0.
std::vector<Passage> cut_passages(std::span<const std::uint64_t> token_offsets, std::uint64_t length);
/// Sums `token_scores` (one per document token) into each passage and sets the shares.
void score_passages(std::vector<Passage>& passages, std::span<const double> token_scores);
void set_shares(std::vector<Passage>& passages);
/// Best first; ties in document order.
std::vector<Passage> rank_passages(std::vector<Passage> passages);

/// What is shown and re-read: a readable stretch of the document that covers one or more passages.
struct Excerpt {
  std::uint64_t begin = 0, end = 0;  ///< bytes of Document::text()
  double share = 0;                  ///< sum over its passages
  std::size_t rank = 0;              ///< of its best passage, from 1
};
struct ExcerptOptions {
  std::uint64_t reach = 400;  ///< bytes a stretch may grow on either side to a sentence's or paragraph's end
};
/// `best`: the first few of rank_passages. Never crosses from one file into another.
std::vector<Excerpt> make_excerpts(const Document& document, std::span<const Passage> best,
                                   const ExcerptOptions& options = {});
/// The text of bytes [begin, end) with the white space around it cut off.
std::string_view trimmed_text(const Document& document, std::uint64_t begin, std::uint64_t end);

}  // namespace tome
