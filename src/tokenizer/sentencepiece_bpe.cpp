#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>
#include <unordered_map>
#include <unordered_set>

#include "tokenizer/fragment_encoder.h"
#include "tokenizer/utf8.h"

namespace tome {
namespace {

constexpr std::uint32_t lower_block = 0x2581;

/// SentencePiece knows no words: a merge may cross any character. But a merge that joins x and y exists only where some
/// token holds "xy", so a text may be cut, without any effect on the result, between characters that no merge joins.
/// With 262144 Gemma pieces that is nearly every "letter, space", so that words can be cached like GPT-2's.
class Joins {
 public:
  void add(std::uint32_t last, std::uint32_t first) {
    last = as_text(last);
    first = as_text(first);
    if (last < 128 && first < 128) {
      ascii_[last * 128 + first] = true;
    } else {
      others_.insert(static_cast<std::int32_t>(last), static_cast<std::int32_t>(first), {0, 0});
    }
  }
  bool contains(std::uint32_t last, std::uint32_t first) const {
    last = as_text(last);
    first = as_text(first);
    if (last < 128 && first < 128) return ascii_[last * 128 + first];
    return others_.find(static_cast<std::int32_t>(last), static_cast<std::int32_t>(first)).merged == 0;
  }

 private:
  static std::uint32_t as_text(std::uint32_t code_point) { return code_point == lower_block ? ' ' : code_point; }

  std::array<bool, 128 * 128> ascii_{};
  PairTable others_;
};

std::uint32_t first_character(std::string_view piece) { return read_utf8(piece, 0).code_point; }

std::uint32_t last_character(std::string_view piece) {
  std::size_t at = piece.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(piece[at]) & 0xC0) == 0x80) --at;
  return read_utf8(piece, at).code_point;
}

/// Ranks from scores: every way to split a piece into two pieces of the vocabulary is a merge, and the best score comes
/// first (Kudo and Richardson 2018). Ways to make the same piece share a rank: the leftmost wins.
Result<PairTable> pair_table_from_scores(const TokenizerSpec& spec, const Vocabulary& vocabulary) {
  std::vector<std::int32_t> order;
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    if (std::isnan(spec.scores[id]))
      return fail(ErrorKind::format, "[tokenizer] token {} has a score that is no number", id);
    const bool plain = vocabulary.type(static_cast<std::int32_t>(id)) == TokenType::normal;
    if (plain && vocabulary.find(spec.tokens[id]) == static_cast<std::int32_t>(id))
      order.push_back(static_cast<std::int32_t>(id));
  }
  const auto score = [&](std::int32_t id) { return spec.scores[static_cast<std::size_t>(id)]; };
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return score(a) > score(b); });
  PairTable pairs(order.size() * 3);
  std::vector<std::uint64_t> powers{1};  // of PieceIndex::base
  std::size_t known_powers = 1;
  std::uint32_t rank = 0;
  for (std::size_t index = 0; index < order.size(); ++index) {
    if (index > 0 && score(order[index]) != score(order[index - 1])) ++rank;
    const std::string_view piece = spec.tokens[static_cast<std::size_t>(order[index])];
    // A suffix's hash is the whole's without the prefix's share of it.
    const std::uint64_t whole = PieceIndex::hash_of(piece);
    std::uint64_t prefix = 0;
    powers.resize(std::max(powers.size(), piece.size() + 1), 1);
    for (; known_powers < powers.size(); ++known_powers)
      powers[known_powers] = powers[known_powers - 1] * PieceIndex::base;
    for (std::size_t cut = 1; cut < piece.size(); ++cut) {
      prefix = PieceIndex::extend(prefix, piece[cut - 1]);
      if ((static_cast<unsigned char>(piece[cut]) & 0xC0) == 0x80) continue;
      const std::int32_t left = vocabulary.index().find(piece.substr(0, cut), prefix);
      if (left < 0 || vocabulary.type(left) != TokenType::normal) continue;
      const std::uint64_t suffix = whole - prefix * powers[piece.size() - cut];
      const std::int32_t right = vocabulary.index().find(piece.substr(cut), suffix);
      if (right < 0 || vocabulary.type(right) != TokenType::normal) continue;
      pairs.insert(left, right, {rank, order[index]});
    }
  }
  return pairs;
}

class SentencePieceBpe : public FragmentEncoder {
 public:
  SentencePieceBpe(const TokenizerSpec& spec, const Vocabulary& vocabulary, PairTable pairs)
      : space_prefix_(spec.add_space_prefix),
        unknown_(static_cast<std::int32_t>(spec.unknown)),
        bytes_(vocabulary.bytes()),
        pairs_(std::move(pairs)) {
    ascii_.fill(-1);
    for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
      const std::string_view piece = spec.tokens[id];
      if (piece.empty() || read_utf8(piece, 0).length != piece.size()) continue;
      const auto token = static_cast<std::int32_t>(id);
      const TokenType type = vocabulary.type(token);
      if (type != TokenType::normal && type != TokenType::user_defined) continue;
      const std::uint32_t code_point = first_character(piece);
      if (code_point == lower_block) set_character(' ', token);
      set_character(code_point, token);
    }
    pairs_.for_each_pair([&](std::int32_t left, std::int32_t right) {
      joins_.add(last_character(spec.tokens[static_cast<std::size_t>(left)]),
                 first_character(spec.tokens[static_cast<std::size_t>(right)]));
    });
  }

  const PairTable& pairs() const override { return pairs_; }

  void encode(std::string_view fragment, EncodeState& state, std::vector<Symbol>& symbols) const override {
    if (fragment.empty()) return;
    std::size_t begin = 0;
    bool prefix = space_prefix_;
    std::uint32_t last = prefix ? ' ' : 0;
    // The prefix is a space of no length before the text.
    for (std::size_t at = 0; at < fragment.size();) {
      const Utf8Step step = read_utf8(fragment, at);
      if ((at > 0 || prefix) && !joins_.contains(last, step.code_point)) {
        encode_word(fragment, begin, at, prefix, state, symbols);
        prefix = false;
        begin = at;
      }
      last = step.code_point;
      at += step.length;
    }
    encode_word(fragment, begin, fragment.size(), prefix, state, symbols);
  }

 private:
  void set_character(std::uint32_t code_point, std::int32_t token) {
    if (code_point < 128) {
      if (ascii_[code_point] < 0) ascii_[code_point] = token;
    } else {
      characters_.emplace(code_point, token);
    }
  }
  std::int32_t character(std::uint32_t code_point) const {
    if (code_point < 128) return ascii_[code_point];
    const auto found = characters_.find(code_point);
    return found == characters_.end() ? -1 : found->second;
  }

  void encode_word(std::string_view fragment, std::size_t begin, std::size_t end, bool prefix, EncodeState& state,
                   std::vector<Symbol>& symbols) const {
    const std::string_view word = fragment.substr(begin, end - begin);
    std::size_t count = 0;
    const Symbol* known = prefix ? nullptr : state.cache.find(word, count);
    if (known != nullptr) {
      join_unknown(symbols, {known, known + std::min<std::size_t>(count, 1)});
      for (std::size_t at = 0; at < count; ++at) symbols.push_back({known[at].id, known[at].end + begin});
      return;
    }
    state.word.clear();
    if (prefix) append_character(" ", 0, ' ', begin, state.word);
    for (std::size_t at = begin; at < end;) {
      const Utf8Step step = read_utf8(fragment, at);
      append_character(fragment.substr(at, step.length), at, step.code_point, at + step.length, state.word);
      at += step.length;
    }
    state.merger.merge(state.word);
    join_unknown(symbols, state.word);
    symbols.insert(symbols.end(), state.word.begin(), state.word.end());
    if (!prefix) state.cache.insert(word, state.word, begin);
  }

  /// A run of unknown characters is one token, even across the places where the text was cut.
  void join_unknown(std::vector<Symbol>& symbols, std::span<const Symbol> word) const {
    if (unknown_ >= 0 && !word.empty() && word.front().id == unknown_ && !symbols.empty() &&
        symbols.back().id == unknown_)
      symbols.pop_back();
  }

  /// The character's token; or its bytes' tokens, of which each but the last ends where the character begins plus what
  /// it stands for; or the unknown token, once for a run.
  void append_character(std::string_view text, std::uint64_t begin, std::uint32_t code_point, std::uint64_t end,
                        std::vector<Symbol>& word) const {
    if (const std::int32_t id = character(code_point); id >= 0) {
      word.push_back({id, end});
      return;
    }
    const bool has_bytes =
        std::all_of(text.begin(), text.end(), [&](char byte) { return bytes_[static_cast<unsigned char>(byte)] >= 0; });
    if (has_bytes) {
      for (std::size_t index = 0; index < text.size(); ++index)
        word.push_back({bytes_[static_cast<unsigned char>(text[index])], std::min(end, begin + index + 1)});
    } else if (!word.empty() && (unknown_ < 0 || word.back().id == unknown_)) {
      word.back().end = end;
    } else if (unknown_ >= 0) {
      word.push_back({unknown_, end});
    }
  }

  bool space_prefix_;
  std::int32_t unknown_;
  const std::vector<std::int32_t>& bytes_;
  PairTable pairs_;
  Joins joins_;
  std::array<std::int32_t, 128> ascii_{};
  std::unordered_map<std::uint32_t, std::int32_t> characters_;
};

}  // namespace

Result<std::unique_ptr<FragmentEncoder>> make_sentencepiece_bpe(const TokenizerSpec& spec,
                                                                const Vocabulary& vocabulary) {
  if (!spec.merges.empty()) {
    TOME_ASSIGN(PairTable pairs, pair_table_from_merges(spec, vocabulary));
    return std::make_unique<SentencePieceBpe>(spec, vocabulary, std::move(pairs));
  }
  if (spec.scores.empty())
    return fail(ErrorKind::format, "[tokenizer] SentencePiece BPE with neither scores nor merges");
  TOME_ASSIGN(PairTable pairs, pair_table_from_scores(spec, vocabulary));
  return std::make_unique<SentencePieceBpe>(spec, vocabulary, std::move(pairs));
}

}  // namespace tome
