// Token ids against the reference tokenizers (tests/golden/tokenizer/make_goldens.py).
#include <gtest/gtest.h>

#include "base/digest.h"
#include "tokenizer/packaged_models.h"
#include "tokenizer/sample_texts.h"

namespace tome {
namespace {

const Json& goldens() {
  static const Json parsed = [] {
    const std::string path = std::string(TOME_TEST_DATA) + "/tokenizer/goldens.json";
    const auto text = read_file(path, 1 << 26);
    if (!text) throw std::runtime_error(text.error().message);
    return *parse_json(*text, path);
  }();
  return parsed;
}

std::string digest_of(const std::vector<TokenId>& ids) { return sha256_hex(std::as_bytes(std::span(ids))); }

class TokenizerParity : public testing::TestWithParam<std::string> {};

TEST_P(TokenizerParity, a_megabyte_of_each_kind_of_text_gives_the_reference_ids) {
  TOME_NEED_MODEL(GetParam());
  const Tokenizer& tokenizer = test::tokenizer_of(GetParam());
  for (const auto& [name, golden] : goldens().at("tokenizers").at(GetParam()).at("texts").items()) {
    const std::string text = test::sample_text(name);
    ASSERT_EQ(sha256_hex(std::as_bytes(std::span(text))), goldens().at("texts").at(name).at("sha256"))
        << name << ": the generator differs from make_goldens.py";
    const std::vector<TokenId> ids = tokenizer.encode(text, AddSpecial::no, ParseSpecial::no);
    const auto first = golden.at("first").get<std::vector<TokenId>>();
    EXPECT_TRUE(std::equal(first.begin(), first.end(), ids.begin(), ids.begin() + std::min(first.size(), ids.size())))
        << name;
    EXPECT_EQ(ids.size(), golden.at("count").get<std::size_t>()) << name;
    EXPECT_EQ(digest_of(ids), golden.at("sha256")) << name;
  }
}

TEST_P(TokenizerParity, short_and_awkward_texts_give_the_reference_ids_with_and_without_special_tokens) {
  TOME_NEED_MODEL(GetParam());
  const Tokenizer& tokenizer = test::tokenizer_of(GetParam());
  for (const Json& golden : goldens().at("tokenizers").at(GetParam()).at("cases")) {
    const std::string text = golden.at("text");
    EXPECT_EQ(tokenizer.encode(text, AddSpecial::no, ParseSpecial::no), golden.at("plain").get<std::vector<TokenId>>())
        << golden.at("text");
    EXPECT_EQ(tokenizer.encode(text, AddSpecial::no, ParseSpecial::yes),
              golden.at("special").get<std::vector<TokenId>>())
        << golden.at("text");
  }
}

TEST_P(TokenizerParity, offsets_cover_the_text_in_order_and_hold_each_tokens_bytes) {
  TOME_NEED_MODEL(GetParam());
  const Tokenizer& tokenizer = test::tokenizer_of(GetParam());
  const bool exact = !tokenizer.spec().normalize_nfc && !tokenizer.spec().add_space_prefix;  // never for unigram
  for (const std::string name : {"english", "code", "cjk", "emoji", "random"}) {
    const std::string text = test::sample_text(name).substr(0, 100'000);
    std::vector<std::uint64_t> offsets;
    const auto ids = tokenizer.encode_with_offsets(text, AddSpecial::yes, ParseSpecial::no, offsets);
    EXPECT_EQ(ids, tokenizer.encode(text, AddSpecial::yes, ParseSpecial::no));
    ASSERT_EQ(offsets.size(), ids.size() + 1);
    EXPECT_TRUE(std::is_sorted(offsets.begin(), offsets.end()));
    EXPECT_EQ(offsets.front(), 0u);
    EXPECT_EQ(offsets.back(), text.size());
    if (tokenizer.spec().add_bos) {
      EXPECT_EQ(offsets[1], 0u) << "BOS covers no text";
    }
    if (!exact || !is_valid_utf8(text)) continue;
    std::size_t differing = 0;
    for (std::size_t at = 0; at < ids.size(); ++at) {
      const std::string bytes = tokenizer.token_bytes(ids[at]);
      if (!bytes.empty() && text.substr(offsets[at], offsets[at + 1] - offsets[at]) != bytes) ++differing;
    }
    // A byte that the vocabulary lacks belongs to its neighbour, and U+2581 prints as a space.
    EXPECT_LE(differing, name == "english" ? 0u : ids.size() / 100) << name;
  }
}

TEST_P(TokenizerParity, streaming_a_text_token_by_token_gives_what_decoding_it_at_once_gives) {
  TOME_NEED_MODEL(GetParam());
  const Tokenizer& tokenizer = test::tokenizer_of(GetParam());
  for (const std::string name : {"code", "cjk", "emoji", "random"}) {
    const auto ids = tokenizer.encode(test::sample_text(name).substr(0, 50'000), AddSpecial::yes, ParseSpecial::no);
    StreamingDecoder decoder(tokenizer);
    std::string text;
    for (const TokenId id : ids) {
      const std::string part = decoder.push(id);
      ASSERT_TRUE(is_valid_utf8(part));
      text += part;
    }
    text += decoder.finish();
    EXPECT_EQ(text, tokenizer.decode(ids)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(kinds, TokenizerParity,
                         testing::Values("smollm2", "gemma3", "gpt2", "llama_bpe", "qwen2", "llama2", "bigbird"),
                         [](const auto& kind) { return kind.param; });

TEST(TokenizerParityMerges, sentencepiece_merges_of_a_tokenizer_json_give_the_ids_that_scores_give) {
  TokenizerSpec spec = test::spec_of("llama2");
  // As Transformers' converter: every split of a piece into two pieces, best score first, longer left part first.
  struct Candidate {
    double score;
    std::size_t left, right;
    std::string left_piece, right_piece;
  };
  std::vector<Candidate> candidates;
  std::map<std::string, std::size_t> ids;
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    if (spec.types[id] == TokenType::normal) ids[spec.tokens[id]] = id;
  }
  for (const auto& [piece, id] : ids) {
    for (std::size_t cut = 1; cut < piece.size(); ++cut) {
      if (ids.contains(piece.substr(0, cut)) && ids.contains(piece.substr(cut)))
        candidates.push_back({spec.scores[id], cut, piece.size() - cut, piece.substr(0, cut), piece.substr(cut)});
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.score, a.left, a.right) > std::tie(b.score, b.left, b.right);
  });
  for (const Candidate& candidate : candidates) spec.merges.emplace_back(candidate.left_piece, candidate.right_piece);
  spec.scores.clear();
  const auto by_merges = Tokenizer::create(spec);
  ASSERT_TRUE(by_merges) << by_merges.error().message;
  for (const std::string name : {"english", "code", "cjk", "emoji", "random"}) {
    const std::string text = test::sample_text(name);
    EXPECT_EQ(digest_of((*by_merges)->encode(text, AddSpecial::no, ParseSpecial::no)),
              digest_of(test::tokenizer_of("llama2").encode(text, AddSpecial::no, ParseSpecial::no)))
        << name;
  }
}

}  // namespace
}  // namespace tome
