#include "runtime/passages.h"

#include <algorithm>

#include "base/check.h"

namespace tome {
namespace {

constexpr std::string_view white_space = " \t\r\n\f\v";
bool is_space(char c) { return white_space.find(c) != std::string_view::npos; }

/// Whether a sentence or paragraph may begin at byte `at`: after a blank line, or after an end mark and white space.
bool begins_unit(std::string_view text, std::size_t at) {
  if (at == 0 || at >= text.size()) return true;
  if (!is_space(text[at - 1]) || is_space(text[at])) return false;
  std::size_t before = at;
  int newlines = 0;
  while (before > 0 && is_space(text[before - 1])) newlines += text[--before] == '\n' ? 1 : 0;
  if (before == 0 || newlines >= 2) return true;
  while (before > 0 && std::string_view("\"')]").find(text[before - 1]) != std::string_view::npos) --before;
  return before > 0 && std::string_view(".!?").find(text[before - 1]) != std::string_view::npos;
}

bool is_character_start(std::string_view text, std::size_t at) {
  return at >= text.size() || (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
}

/// Back to where a sentence begins, or, when none begins within reach, to the word that the passage begins in.
std::uint64_t widen_begin(std::string_view text, std::uint64_t begin, std::uint64_t floor, std::uint64_t reach) {
  const std::uint64_t lowest = begin - std::min(reach, begin - floor);
  for (std::uint64_t at = begin;; --at) {
    if (at == floor || begins_unit(text, at)) return at;
    if (at == lowest) break;
  }
  std::uint64_t at = begin;
  while (at > lowest && !is_space(text[at - 1])) --at;
  while (at > floor && !is_character_start(text, at)) --at;
  return at;
}

/// On to the end of the sentence (the next one's begin, white space included), or of the word.
std::uint64_t widen_end(std::string_view text, std::uint64_t end, std::uint64_t ceiling, std::uint64_t reach) {
  const std::uint64_t highest = end + std::min(reach, ceiling - end);
  for (std::uint64_t at = end;; ++at) {
    if (at == ceiling || begins_unit(text, at)) return at;
    if (at == highest) break;
  }
  std::uint64_t at = end;
  while (at < highest && !is_space(text[at])) ++at;
  while (at < ceiling && !is_character_start(text, at)) ++at;
  return at;
}

}  // namespace

std::vector<Passage> cut_passages(std::span<const std::uint64_t> token_offsets, std::uint64_t length) {
  CHECK(length > 0);
  std::vector<Passage> passages;
  const std::uint64_t tokens = token_offsets.empty() ? 0 : token_offsets.size() - 1;
  for (std::uint64_t first = 0; first < tokens; first += length) {
    const std::uint64_t last = std::min(tokens, first + length);
    passages.push_back({.index = first / length,
                        .first_token = first,
                        .last_token = last,
                        .begin = token_offsets[first],
                        .end = token_offsets[last]});
  }
  return passages;
}

void set_shares(std::vector<Passage>& passages) {
  double total = 0;
  for (const Passage& passage : passages) total += std::max(0.0, passage.score);
  for (Passage& passage : passages) passage.share = total > 0 ? std::max(0.0, passage.score) / total : 0.0;
}

void score_passages(std::vector<Passage>& passages, std::span<const double> token_scores) {
  for (Passage& passage : passages) {
    CHECK(passage.last_token <= token_scores.size());
    passage.score = 0;
    for (std::uint64_t token = passage.first_token; token < passage.last_token; ++token)
      passage.score += token_scores[token];
  }
  set_shares(passages);
}

std::vector<Passage> rank_passages(std::vector<Passage> passages) {
  std::stable_sort(passages.begin(), passages.end(),
                   [](const Passage& a, const Passage& b) { return a.score > b.score; });
  return passages;
}

std::vector<Excerpt> make_excerpts(const Document& document, std::span<const Passage> best,
                                   const ExcerptOptions& options) {
  const std::string_view text = document.text();
  std::vector<Excerpt> excerpts;
  for (std::size_t rank = 0; rank < best.size(); ++rank) {
    const Passage& passage = best[rank];
    // A passage that straddles two files is cut at the end of the one it begins in.
    const Document::Part& part = document.parts()[document.place(passage.begin).part];
    const std::uint64_t begin = std::clamp(passage.begin, part.begin, part.end);
    const std::uint64_t end = std::clamp(passage.end, begin, part.end);
    if (trimmed_text(document, begin, end).empty()) continue;
    excerpts.push_back({.begin = widen_begin(text, begin, part.begin, options.reach),
                        .end = widen_end(text, end, part.end, options.reach),
                        .share = passage.share,
                        .rank = rank + 1});
  }
  std::sort(excerpts.begin(), excerpts.end(), [](const Excerpt& a, const Excerpt& b) { return a.begin < b.begin; });
  std::vector<Excerpt> merged;
  for (const Excerpt& excerpt : excerpts) {
    const bool touches = !merged.empty() && excerpt.begin <= merged.back().end &&
                         document.place(merged.back().begin).part == document.place(excerpt.begin).part;
    if (!touches) {
      merged.push_back(excerpt);
      continue;
    }
    merged.back().end = std::max(merged.back().end, excerpt.end);
    merged.back().share += excerpt.share;
    merged.back().rank = std::min(merged.back().rank, excerpt.rank);
  }
  return merged;
}

std::string_view trimmed_text(const Document& document, std::uint64_t begin, std::uint64_t end) {
  std::string_view text = std::string_view(document.text()).substr(begin, end - begin);
  const std::size_t first = text.find_first_not_of(white_space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(white_space) - first + 1);
}

}  // namespace tome
