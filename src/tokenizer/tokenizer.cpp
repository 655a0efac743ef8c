#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <deque>

#include "tokenizer/fragment_encoder.h"
#include "tokenizer/special_tokens.h"
#include "tokenizer/text_normalizer.h"
#include "tokenizer/unicode_class.h"
#include "tokenizer/utf8.h"
#include "tokenizer/vocabulary.h"

namespace tome {
namespace {

class FileTokenizer : public Tokenizer {
 public:
  static Result<std::shared_ptr<const Tokenizer>> make(const TokenizerSpec& spec) {
    auto tokenizer = std::make_shared<FileTokenizer>();
    tokenizer->spec_ = spec;
    TOME_ASSIGN(tokenizer->vocabulary_, Vocabulary::create(tokenizer->spec_));
    TOME_ASSIGN(tokenizer->normalizer_, TextNormalizer::create(tokenizer->spec_));
    switch (spec.kind) {
      case TokenizerKind::byte_bpe: {
        TOME_ASSIGN(tokenizer->encoder_, make_byte_bpe(tokenizer->spec_, tokenizer->vocabulary_));
        break;
      }
      case TokenizerKind::sentencepiece_bpe: {
        TOME_ASSIGN(tokenizer->encoder_, make_sentencepiece_bpe(tokenizer->spec_, tokenizer->vocabulary_));
        break;
      }
      case TokenizerKind::unigram: {
        TOME_ASSIGN(tokenizer->encoder_, make_unigram(tokenizer->spec_, tokenizer->vocabulary_));
        break;
      }
    }
    tokenizer->collect_special();
    return tokenizer;
  }

  std::vector<TokenId> encode(std::string_view text, AddSpecial add_special,
                              ParseSpecial parse_special) const override {
    return encode_any(text, add_special, parse_special, nullptr);
  }
  std::vector<TokenId> encode_with_offsets(std::string_view text, AddSpecial add_special, ParseSpecial parse_special,
                                           std::vector<std::uint64_t>& offsets) const override {
    return encode_any(text, add_special, parse_special, &offsets);
  }

  std::string token_bytes(TokenId id, bool show_special) const override {
    if (id < 0 || static_cast<std::size_t>(id) >= vocabulary_.size()) return "";
    const TokenType type = vocabulary_.type(id);
    if (!show_special && (type == TokenType::control || type == TokenType::unknown)) return "";
    return vocabulary_.raw(id);
  }

  std::string decode(std::span<const TokenId> ids, bool show_special) const override {
    std::string bytes;
    for (const TokenId id : ids) bytes += token_bytes(id, show_special);
    if (spec_.add_space_prefix && !bytes.empty() && bytes.front() == ' ') bytes.erase(0, 1);
    return repair_utf8(bytes);
  }

  std::size_t vocabulary() const override { return vocabulary_.size(); }
  const TokenizerSpec& spec() const override { return spec_; }

 private:
  void collect_special() {
    for (std::size_t index = 0; index < vocabulary_.size(); ++index) {
      const auto id = static_cast<TokenId>(index);
      const TokenType type = vocabulary_.type(id);
      const std::string& text = vocabulary_.raw(id);
      if (type == TokenType::user_defined) user_defined_.add(text, id);
      if (type == TokenType::user_defined || type == TokenType::control || type == TokenType::unknown)
        all_special_.add(text, id);
    }
  }

  std::vector<TokenId> encode_any(std::string_view text, AddSpecial add_special, ParseSpecial parse_special,
                                  std::vector<std::uint64_t>* offsets) const {
    OffsetMap repairs;
    std::string repaired;
    std::string_view valid = text;
    if (!is_valid_utf8(text)) {
      repaired = repair_utf8(text, repairs);
      valid = repaired;
    }
    std::vector<TokenId> ids;
    std::vector<std::uint64_t> ends;
    encode_valid(valid, parse_special == ParseSpecial::yes ? all_special_ : user_defined_, ids,
                 offsets == nullptr ? nullptr : &ends);
    if (offsets != nullptr) {
      repairs.to_original(ends);
      if (!ends.empty()) ends.back() = text.size();
      offsets->clear();
      offsets->reserve(ends.size() + 3);
      offsets->push_back(0);
      offsets->insert(offsets->end(), ends.begin(), ends.end());
    }
    if (add_special == AddSpecial::yes) add_first_and_last(ids, offsets, text.size());
    return ids;
  }

  /// BOS and EOS as the file says, but never twice.
  void add_first_and_last(std::vector<TokenId>& ids, std::vector<std::uint64_t>* offsets, std::uint64_t end) const {
    const auto bos = static_cast<TokenId>(spec_.bos);
    const auto eos = static_cast<TokenId>(spec_.eos);
    if (spec_.add_bos && (ids.empty() || ids.front() != bos)) {
      ids.insert(ids.begin(), bos);
      if (offsets != nullptr) offsets->insert(offsets->begin(), 0);
    }
    if (spec_.add_eos && (ids.empty() || ids.back() != eos)) {
      ids.push_back(eos);
      if (offsets != nullptr) offsets->push_back(end);
    }
  }

  /// What stands before a special token; some take the white space there along.
  std::string_view without_stripped(std::string_view fragment, TokenId before) const {
    if (std::find(spec_.strips_left.begin(), spec_.strips_left.end(), before) == spec_.strips_left.end())
      return fragment;
    while (!fragment.empty()) {
      std::size_t start = fragment.size() - 1;
      while (start > 0 && (static_cast<unsigned char>(fragment[start]) & 0xC0) == 0x80) --start;
      if (character_classes()[read_utf8(fragment, start).code_point] != CharacterClass::space) break;
      fragment = fragment.substr(0, start);
    }
    return fragment;
  }

  void encode_valid(std::string_view text, const SpecialTokens& special, std::vector<TokenId>& ids,
                    std::vector<std::uint64_t>* ends) const {
    EncodeState state(encoder_->pairs());
    std::deque<std::string> normalized;  // what the word cache points into
    std::vector<Symbol> symbols;
    for (std::size_t at = 0; at < text.size();) {
      const SpecialTokens::Match match = special.find(text, at);
      const std::string_view fragment = without_stripped(text.substr(at, match.begin - at), match.id);
      if (!fragment.empty()) {
        symbols.clear();
        const std::size_t first = ends == nullptr ? 0 : ends->size();
        OffsetMap changes;
        std::string rewritten;
        if (normalizer_.rewrite(fragment, rewritten, changes)) {
          normalized.push_back(std::move(rewritten));
          encoder_->encode(normalized.back(), state, symbols);
        } else {
          encoder_->encode(fragment, state, symbols);
        }
        for (const Symbol& symbol : symbols) {
          ids.push_back(symbol.id);
          if (ends != nullptr) ends->push_back(symbol.end);
        }
        if (ends != nullptr && !symbols.empty()) {
          changes.to_original(*ends, first);
          for (std::size_t index = first; index < ends->size(); ++index) (*ends)[index] += at;
          ends->back() = match.begin;
        }
      }
      if (match.length == 0) break;
      ids.push_back(match.id);
      at = match.begin + match.length;
      if (ends != nullptr) ends->push_back(at);
    }
  }

  TokenizerSpec spec_;
  Vocabulary vocabulary_;
  TextNormalizer normalizer_;
  std::unique_ptr<FragmentEncoder> encoder_;
  SpecialTokens user_defined_, all_special_;
};

}  // namespace

Result<std::shared_ptr<const Tokenizer>> Tokenizer::create(const TokenizerSpec& spec) {
  return FileTokenizer::make(spec);
}

bool Tokenizer::is_end(TokenId id) const {
  const auto& ends = spec().end_tokens;
  return id >= 0 && (id == spec().eos || std::find(ends.begin(), ends.end(), id) != ends.end());
}

}  // namespace tome
