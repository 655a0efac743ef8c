#include <unordered_map>

#include "tokenizer/fragment_encoder.h"
#include "tokenizer/pre_tokenizer.h"

namespace tome {
namespace {

class ByteBpe : public FragmentEncoder {
 public:
  ByteBpe(const TokenizerSpec& spec, const Vocabulary& vocabulary, PairTable pairs)
      : pre_(spec.pre), bytes_(vocabulary.bytes()), pairs_(std::move(pairs)) {
    if (!spec.ignore_merges) return;
    for (std::size_t id = 0; id < vocabulary.size(); ++id) {
      const auto token = static_cast<std::int32_t>(id);
      if (vocabulary.type(token) == TokenType::normal) whole_words_.emplace(vocabulary.raw(token), token);
    }
  }

  const PairTable& pairs() const override { return pairs_; }

  void encode(std::string_view fragment, EncodeState& state, std::vector<Symbol>& symbols) const override {
    for (std::size_t begin = 0; begin < fragment.size();) {
      const std::size_t end = end_of_word(pre_, fragment, begin);
      encode_word(fragment, begin, end, state, symbols);
      begin = end;
    }
  }

 private:
  void encode_word(std::string_view fragment, std::size_t begin, std::size_t end, EncodeState& state,
                   std::vector<Symbol>& symbols) const {
    const std::string_view word = fragment.substr(begin, end - begin);
    std::size_t count = 0;
    if (const Symbol* known = state.cache.find(word, count)) {
      for (std::size_t at = 0; at < count; ++at) symbols.push_back({known[at].id, known[at].end + begin});
      return;
    }
    state.word.clear();
    const auto whole = whole_words_.empty() ? whole_words_.end() : whole_words_.find(word);
    if (whole != whole_words_.end()) {
      state.word.push_back({whole->second, end});
    } else {
      for (std::size_t at = begin; at < end; ++at) {
        const std::int32_t id = bytes_[static_cast<unsigned char>(fragment[at])];
        if (id >= 0) {
          state.word.push_back({id, at + 1});
        } else if (!state.word.empty()) {
          state.word.back().end = at + 1;
        }
      }
      state.merger.merge(state.word);
    }
    symbols.insert(symbols.end(), state.word.begin(), state.word.end());
    state.cache.insert(word, state.word, begin);
  }

  PreTokenizer pre_;
  const std::vector<std::int32_t>& bytes_;
  PairTable pairs_;
  std::unordered_map<std::string_view, std::int32_t> whole_words_;
};

}  // namespace

Result<PairTable> pair_table_from_merges(const TokenizerSpec& spec, const Vocabulary& vocabulary) {
  PairTable pairs(spec.merges.size());
  std::string merged;
  for (std::size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto& [left, right] = spec.merges[rank];
    merged.assign(left).append(right);
    const std::int32_t left_id = vocabulary.find(left);
    const std::int32_t right_id = vocabulary.find(right);
    const std::int32_t merged_id = vocabulary.find(merged);
    for (const auto& [piece, id] : {std::pair{&left, left_id}, {&right, right_id}, {&merged, merged_id}}) {
      if (id < 0)
        return fail(ErrorKind::format, "[tokenizer] merge {} ('{}' + '{}'): '{}' is not in the vocabulary", rank, left,
                    right, *piece);
    }
    // Text must never become a control token by merging.
    if (vocabulary.type(merged_id) == TokenType::control) continue;
    pairs.insert(left_id, right_id, {static_cast<std::uint32_t>(rank), merged_id});
  }
  return pairs;
}

Result<std::unique_ptr<FragmentEncoder>> make_byte_bpe(const TokenizerSpec& spec, const Vocabulary& vocabulary) {
  if (spec.merges.empty()) return fail(ErrorKind::format, "[tokenizer] byte-level BPE without merges");
  TOME_ASSIGN(PairTable pairs, pair_table_from_merges(spec, vocabulary));
  return std::make_unique<ByteBpe>(spec, vocabulary, std::move(pairs));
}

}  // namespace tome
