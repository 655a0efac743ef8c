// SentencePiece's unigram model (Kudo 2018, arXiv 1804.10959): of all ways to cut a word into pieces the likeliest one,
// by Viterbi. Words begin at spaces ("▁" in the pieces), so that each is cut by itself and repeated ones are looked up.
#include <algorithm>
#include <cmath>

#include "tokenizer/fragment_encoder.h"
#include "tokenizer/utf8.h"

namespace tome {
namespace {

constexpr std::size_t kLongestPiece = 1024;  ///< bytes: from each place as many are looked up at most
constexpr double kUnknownPenalty = 10.0;     ///< below the least likely piece, as in SentencePiece

class Unigram : public FragmentEncoder {
 public:
  Unigram(const TokenizerSpec& spec, const Vocabulary& vocabulary)
      : space_prefix_(spec.add_space_prefix),
        unknown_(static_cast<std::int32_t>(spec.unknown)),
        scores_(spec.scores),
        unknown_score_(*std::min_element(spec.scores.begin(), spec.scores.end()) - kUnknownPenalty) {
    for (std::size_t index = 0; index < spec.tokens.size(); ++index) {
      const auto id = static_cast<std::int32_t>(index);
      // A space is U+2581 by now: no text has a piece with a real one.
      if (vocabulary.type(id) == TokenType::normal && spec.tokens[index].find(' ') == std::string::npos)
        add(vocabulary.raw(id), id);
    }
  }

  const PairTable& pairs() const override { return no_pairs_; }

  void encode(std::string_view fragment, EncodeState& state, std::vector<Symbol>& symbols) const override {
    if (fragment.empty()) return;
    bool prefix = space_prefix_ && fragment.front() != ' ';
    for (std::size_t begin = 0; begin < fragment.size();) {
      const std::size_t end = std::min(fragment.find(' ', begin + 1), fragment.size());
      encode_word(fragment.substr(begin, end - begin), begin, prefix, state, symbols);
      prefix = false;
      begin = end;
    }
  }

 private:
  void add(std::string_view piece, std::int32_t id) {
    std::int32_t node = 0;
    for (const char byte : piece) {
      const std::int32_t label = static_cast<unsigned char>(byte);
      std::int32_t next = edges_.find(node, label).merged;
      if (next < 0) {
        next = static_cast<std::int32_t>(pieces_.size());
        edges_.insert(node, label, {0, next});
        pieces_.push_back(-1);
      }
      node = next;
    }
    if (node != 0 && pieces_[static_cast<std::size_t>(node)] < 0) pieces_[static_cast<std::size_t>(node)] = id;
  }

  void encode_word(std::string_view word, std::size_t begin, bool prefix, EncodeState& state,
                   std::vector<Symbol>& symbols) const {
    std::size_t count = 0;
    if (const Symbol* known = prefix ? nullptr : state.cache.find(word, count); known != nullptr) {
      for (std::size_t at = 0; at < count; ++at) symbols.push_back({known[at].id, known[at].end + begin});
      return;
    }
    state.word.clear();
    if (prefix) {
      cut(" " + std::string(word), state.word);
      for (Symbol& symbol : state.word) symbol.end = symbol.end - 1;  // the prefix has no length
    } else {
      cut(word, state.word);
    }
    for (Symbol& symbol : state.word) symbol.end += begin;
    symbols.insert(symbols.end(), state.word.begin(), state.word.end());
    if (!prefix) state.cache.insert(word, state.word, begin);
  }

  /// The likeliest way to a place in the word. Of equal ones that with the longest last piece, found first.
  struct Way {
    double score = 0.0;
    std::size_t begin = 0;  ///< of the last piece
    std::int32_t id = -1;   ///< −1: no way yet
  };

  void cut(std::string_view word, std::vector<Symbol>& pieces) const {
    std::vector<Way> ways(word.size() + 1);
    const auto offer = [&](std::size_t begin, std::size_t end, std::int32_t id, double score) {
      Way& way = ways[end];
      if (const double total = ways[begin].score + score; way.id < 0 || total > way.score) way = {total, begin, id};
    };
    for (std::size_t begin = 0; begin < word.size();) {
      const std::size_t character = read_utf8(word, begin).length;
      bool alone = false;  // the character is a piece
      std::int32_t node = 0;
      for (std::size_t at = begin; at < word.size(); ++at) {
        node = edges_.find(node, static_cast<unsigned char>(word[at])).merged;
        if (node < 0) break;
        const std::int32_t id = pieces_[static_cast<std::size_t>(node)];
        if (id < 0) continue;
        offer(begin, at + 1, id, scores_[static_cast<std::size_t>(id)]);
        alone = alone || at + 1 - begin == character;
      }
      if (!alone) offer(begin, begin + character, unknown_, unknown_score_);
      begin += character;
    }
    for (std::size_t end = word.size(); end > 0; end = ways[end].begin)
      if (pieces.empty() || ways[end].id != unknown_ || pieces.back().id != unknown_)  // a run of unknown ones is one
        pieces.push_back({ways[end].id, end});
    std::reverse(pieces.begin(), pieces.end());
  }

  bool space_prefix_;
  std::int32_t unknown_;
  const std::vector<double>& scores_;
  double unknown_score_;
  PairTable edges_, no_pairs_;            // (node, byte) → node, in Merge::merged
  std::vector<std::int32_t> pieces_{-1};  // by node
};

}  // namespace

Result<std::unique_ptr<FragmentEncoder>> make_unigram(const TokenizerSpec& spec, const Vocabulary& vocabulary) {
  if (spec.scores.empty() || spec.unknown < 0)
    return fail(ErrorKind::format, "[tokenizer] unigram without log-probabilities or without an unknown token");
  for (std::size_t id = 0; id < spec.scores.size(); ++id)
    if (!std::isfinite(spec.scores[id]))
      return fail(ErrorKind::format, "[tokenizer] token {} has the log-probability {}", id, spec.scores[id]);
  for (std::size_t id = 0; id < spec.tokens.size(); ++id)
    if (spec.tokens[id].size() > kLongestPiece)
      return fail(ErrorKind::format, "[tokenizer] token {} has {} bytes, expected at most {}", id,
                  spec.tokens[id].size(), kLongestPiece);
  return std::make_unique<Unigram>(spec, vocabulary);
}

}  // namespace tome
