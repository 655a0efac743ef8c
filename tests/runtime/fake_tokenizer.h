#pragma once
// A tokenizer of bytes for tests: token = byte, 256 = BOS, 257 = end ("<end>"), 258 = "<turn>". Offsets are exact.
#include <memory>
#include <string>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace tome::testing {

class FakeTokenizer : public Tokenizer {
 public:
  explicit FakeTokenizer(std::string chat_template = "") {
    spec_.tokens.resize(259);
    spec_.tokens[256] = "<bos>";
    spec_.tokens[257] = "<end>";
    spec_.tokens[258] = "<turn>";
    spec_.bos = 256;
    spec_.eos = 257;
    spec_.end_tokens = {257};
    spec_.add_bos = true;
    spec_.chat_template = std::move(chat_template);
  }
  std::vector<TokenId> encode(std::string_view text, AddSpecial add, ParseSpecial parse) const override {
    std::vector<std::uint64_t> offsets;
    return encode_with_offsets(text, add, parse, offsets);
  }
  std::vector<TokenId> encode_with_offsets(std::string_view text, AddSpecial add, ParseSpecial parse,
                                           std::vector<std::uint64_t>& offsets) const override {
    std::vector<TokenId> ids;
    offsets.clear();
    if (add == AddSpecial::yes && !(parse == ParseSpecial::yes && text.starts_with("<bos>"))) {
      ids.push_back(256);
      offsets.push_back(0);
    }
    for (std::size_t at = 0; at < text.size();) {
      std::size_t length = 1;
      TokenId id = static_cast<unsigned char>(text[at]);
      for (TokenId special = 256; parse == ParseSpecial::yes && special < 259; ++special) {
        const std::string& name = spec_.tokens[static_cast<std::size_t>(special)];
        if (text.substr(at).starts_with(name)) {
          id = special;
          length = name.size();
        }
      }
      ids.push_back(id);
      offsets.push_back(at);
      at += length;
    }
    offsets.push_back(text.size());
    return ids;
  }
  std::string token_bytes(TokenId id, bool show_special) const override {
    if (id < 256) return std::string(1, static_cast<char>(id));
    return show_special ? spec_.tokens[static_cast<std::size_t>(id)] : "";
  }
  std::string decode(std::span<const TokenId> ids, bool show_special) const override {
    std::string text;
    for (const TokenId id : ids) text += token_bytes(id, show_special);
    return text;
  }
  std::size_t vocabulary() const override { return 259; }
  const TokenizerSpec& spec() const override { return spec_; }

 private:
  TokenizerSpec spec_;
};

}  // namespace tome::testing
