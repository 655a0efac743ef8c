// What every tokenizer promises, on vocabularies of a few tokens.
#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <ctime>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/packaged_models.h"
#include "tokenizer/utf8.h"

namespace tome {
namespace {

/// The 256 bytes, then the merges' results, then `control` tokens.
TokenizerSpec byte_spec(const std::vector<std::pair<std::string, std::string>>& merges,
                        const std::vector<std::string>& control = {}) {
  TokenizerSpec spec;
  spec.pre = PreTokenizer::gpt2;
  for (int byte = 0; byte < 256; ++byte) {
    std::string piece;
    append_utf8(piece, byte_alphabet()[static_cast<std::size_t>(byte)]);
    spec.tokens.push_back(piece);
  }
  for (const auto& [left, right] : merges) spec.tokens.push_back(left + right);
  spec.merges = merges;
  spec.types.assign(spec.tokens.size(), TokenType::normal);
  for (const std::string& name : control) {
    spec.tokens.push_back(name);
    spec.types.push_back(TokenType::control);
  }
  return spec;
}

std::shared_ptr<const Tokenizer> make(const TokenizerSpec& spec) {
  auto made = Tokenizer::create(spec);
  if (!made) throw std::runtime_error(made.error().message);
  return *made;
}

std::string refusal(const TokenizerSpec& spec) {
  const auto made = Tokenizer::create(spec);
  return made ? "" : made.error().message;
}

/// Characters, bytes <0x00> to <0xFF> and pieces with scores.
TokenizerSpec piece_spec(const std::vector<std::string>& pieces) {
  TokenizerSpec spec;
  spec.kind = TokenizerKind::sentencepiece_bpe;
  spec.tokens = {"<unk>", "<s>", "</s>"};
  spec.types = {TokenType::unknown, TokenType::control, TokenType::control};
  for (int byte = 0; byte < 256; ++byte) {
    spec.tokens.push_back(fmt::format("<0x{:02X}>", byte));
    spec.types.push_back(TokenType::byte);
  }
  for (const std::string& piece : pieces) {
    spec.tokens.push_back(piece);
    spec.types.push_back(TokenType::normal);
  }
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) spec.scores.push_back(-static_cast<double>(id));
  spec.unknown = 0;
  spec.bos = 1;
  spec.eos = 2;
  return spec;
}

TEST(Tokenizer, merges_follow_their_rank_not_their_place) {
  // "abc": (b, c) comes first, so (a, b) never happens.
  const auto tokenizer = make(byte_spec({{"b", "c"}, {"a", "b"}}));
  EXPECT_EQ(tokenizer->encode("abc", AddSpecial::no, ParseSpecial::no), (std::vector<TokenId>{'a' - 0x21 + 33, 256}));
}

TEST(Tokenizer, a_second_bos_is_never_added) {
  TokenizerSpec spec = byte_spec({{"a", "b"}}, {"<s>", "</s>"});
  spec.bos = 257;
  spec.eos = 258;
  spec.add_bos = spec.add_eos = true;
  const auto tokenizer = make(spec);
  EXPECT_EQ(tokenizer->encode("ab", AddSpecial::yes, ParseSpecial::yes), (std::vector<TokenId>{257, 256, 258}));
  EXPECT_EQ(tokenizer->encode("<s>ab</s>", AddSpecial::yes, ParseSpecial::yes), (std::vector<TokenId>{257, 256, 258}));
  EXPECT_EQ(tokenizer->encode("", AddSpecial::yes, ParseSpecial::yes), (std::vector<TokenId>{257, 258}));
  EXPECT_EQ(tokenizer->encode("<s>ab", AddSpecial::yes, ParseSpecial::no).size(), 1u + 4u + 1u) << "stays text";
}

TEST(Tokenizer, control_tokens_in_the_text_stay_text_unless_asked_for) {
  const auto tokenizer = make(byte_spec({{"a", "b"}}, {"<|im_end|>"}));
  const std::string text = "ab<|im_end|>ab";
  EXPECT_EQ(tokenizer->encode(text, AddSpecial::no, ParseSpecial::yes), (std::vector<TokenId>{256, 257, 256}));
  const auto plain = tokenizer->encode(text, AddSpecial::no, ParseSpecial::no);
  EXPECT_EQ(std::count(plain.begin(), plain.end(), 257), 0);
  EXPECT_EQ(tokenizer->decode(plain), text);
}

TEST(Tokenizer, a_mask_takes_the_white_space_before_it_along) {
  TokenizerSpec spec = byte_spec({{"a", "b"}}, {"<mask>", "<other>"});
  spec.strips_left = {257};
  const auto tokenizer = make(spec);
  const TokenId space = tokenizer->encode(" ", AddSpecial::no, ParseSpecial::no)[0];
  const auto ids = [&](std::string_view text) { return tokenizer->encode(text, AddSpecial::no, ParseSpecial::yes); };
  EXPECT_EQ(ids("ab \n\xC2\xA0<mask> ab"), (std::vector<TokenId>{256, 257, space, 256}));
  EXPECT_EQ(ids("  <mask><mask>"), (std::vector<TokenId>{257, 257}));
  EXPECT_EQ(ids("ab <other>"), (std::vector<TokenId>{256, space, 258}));
  std::vector<std::uint64_t> offsets;
  tokenizer->encode_with_offsets("ab  <mask>ab", AddSpecial::no, ParseSpecial::yes, offsets);
  EXPECT_EQ(offsets, (std::vector<std::uint64_t>{0, 4, 10, 12}));
  tokenizer->encode_with_offsets("  <mask>ab", AddSpecial::no, ParseSpecial::yes, offsets);
  EXPECT_EQ(offsets, (std::vector<std::uint64_t>{0, 8, 10}));
}

TEST(Tokenizer, merging_never_makes_a_control_token) {
  TokenizerSpec spec = byte_spec({{"<", "s"}, {"<s", ">"}});
  spec.types.back() = TokenType::control;  // "<s>"
  const auto tokenizer = make(spec);
  const auto ids = tokenizer->encode("<s>", AddSpecial::no, ParseSpecial::no);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 257), 0);
}

TEST(Tokenizer, the_longest_special_token_wins) {
  TokenizerSpec spec = byte_spec({{"a", "b"}}, {"<t", "<tool>", "<tool"});
  const auto tokenizer = make(spec);
  EXPECT_EQ(tokenizer->encode("<tool><toolx<t", AddSpecial::no, ParseSpecial::yes),
            (std::vector<TokenId>{258, 259, tokenizer->encode("x", AddSpecial::no, ParseSpecial::no)[0], 257}));
}

TEST(Tokenizer, every_end_token_ends_an_answer) {
  TokenizerSpec spec = byte_spec({{"a", "b"}}, {"<a>", "<b>", "<c>"});
  spec.eos = 257;
  spec.end_tokens = {258};
  const auto tokenizer = make(spec);
  EXPECT_TRUE(tokenizer->is_end(257));
  EXPECT_TRUE(tokenizer->is_end(258));
  EXPECT_FALSE(tokenizer->is_end(259));
  EXPECT_FALSE(tokenizer->is_end(-1));
}

TEST(Tokenizer, ill_formed_utf8_becomes_one_replacement_character_per_maximal_part) {
  // Python: b"a\xf0\x9f\x98b\xc0\xafc\xed\xa0\x80\xe2\x82".decode(errors="replace")
  EXPECT_EQ(repair_utf8("a\xF0\x9F\x98"
                        "b\xC0\xAF"
                        "c\xED\xA0\x80\xE2\x82"),
            "a\uFFFDb\uFFFD\uFFFDc\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(repair_utf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(repair_utf8("plain \u00e9 \U0001F600"), "plain \u00e9 \U0001F600");
}

TEST(Tokenizer, offsets_of_ill_formed_text_point_into_the_text_as_given) {
  const auto tokenizer = make(byte_spec({{"a", "b"}}));
  const std::string text = "ab\xFF ab\xF0\x9F\x98";
  std::vector<std::uint64_t> offsets;
  const auto ids = tokenizer->encode_with_offsets(text, AddSpecial::no, ParseSpecial::no, offsets);
  // ab, three bytes of U+FFFD, space, ab, three bytes of U+FFFD
  EXPECT_EQ(offsets, (std::vector<std::uint64_t>{0, 2, 2, 2, 3, 4, 6, 6, 6, 9}));
  EXPECT_EQ(ids.size() + 1, offsets.size());
}

TEST(Tokenizer, offsets_of_text_that_nfc_changes_point_into_the_text_as_given) {
  TokenizerSpec spec = byte_spec({{"a", "b"}});
  spec.normalize_nfc = true;
  const auto tokenizer = make(spec);
  std::vector<std::uint64_t> offsets;
  tokenizer->encode_with_offsets("ae\u0301b", AddSpecial::no, ParseSpecial::no, offsets);
  // a, two bytes of U+00E9 that stand for three, b
  EXPECT_EQ(offsets, (std::vector<std::uint64_t>{0, 1, 1, 4, 5}));
}

TEST(Tokenizer, normalisation_follows_the_file) {
  TokenizerSpec spec = byte_spec({{"a", "b"}});
  EXPECT_EQ(make(spec)->encode("e\u0301", AddSpecial::no, ParseSpecial::no).size(), 3u);
  spec.normalize_nfc = true;
  EXPECT_EQ(make(spec)->encode("e\u0301", AddSpecial::no, ParseSpecial::no).size(), 2u);
}

TEST(Tokenizer, ignore_merges_takes_a_whole_word_that_is_in_the_vocabulary) {
  TokenizerSpec spec = byte_spec({{"a", "b"}, {"c", "d"}});
  spec.tokens.push_back("abcd");  // no merge leads here
  spec.types.push_back(TokenType::normal);
  EXPECT_EQ(make(spec)->encode("abcd", AddSpecial::no, ParseSpecial::no), (std::vector<TokenId>{256, 257}));
  spec.ignore_merges = true;
  EXPECT_EQ(make(spec)->encode("abcd", AddSpecial::no, ParseSpecial::no), (std::vector<TokenId>{258}));
}

TEST(Tokenizer, sentencepiece_takes_the_best_score_and_the_leftmost_of_equal_ones) {
  const auto tokenizer = make(piece_spec({"a", "aa", "aaa"}));
  const TokenId one = 259;
  EXPECT_EQ(tokenizer->encode("aaaaa", AddSpecial::no, ParseSpecial::no), (std::vector<TokenId>{one + 1, one + 2}));
  EXPECT_EQ(tokenizer->encode("aaa", AddSpecial::no, ParseSpecial::no), (std::vector<TokenId>{one + 2}));
}

TEST(Tokenizer, sentencepiece_spells_unknown_characters_as_bytes_and_decodes_them_back) {
  const auto tokenizer = make(piece_spec({"a"}));
  EXPECT_EQ(tokenizer->encode("a\u00e9", AddSpecial::no, ParseSpecial::no),
            (std::vector<TokenId>{259, 3 + 0xC3, 3 + 0xA9}));
  EXPECT_EQ(tokenizer->decode(std::vector<TokenId>{259, 3 + 0xC3, 3 + 0xA9}), "a\u00e9");
  EXPECT_EQ(tokenizer->decode(std::vector<TokenId>{259, 3 + 0xC3}), "a\uFFFD");
}

TEST(Tokenizer, without_byte_tokens_a_run_of_unknown_characters_is_one_unknown_token) {
  TokenizerSpec spec = piece_spec({"a"});
  for (std::size_t id = 3; id < 259; ++id) spec.types[id] = TokenType::unused;
  EXPECT_EQ(make(spec)->encode("a\u00e9\u00e8"
                               "a",
                               AddSpecial::no, ParseSpecial::no),
            (std::vector<TokenId>{259, 0, 259}));
}

TEST(Tokenizer, the_space_prefix_comes_back_off_when_decoding) {
  TokenizerSpec spec = piece_spec({"\u2581", "a",
                                   "\u2581"
                                   "a"});
  spec.add_space_prefix = true;
  const auto tokenizer = make(spec);
  const auto ids = tokenizer->encode("a a", AddSpecial::no, ParseSpecial::no);
  EXPECT_EQ(ids, (std::vector<TokenId>{261, 261}));
  EXPECT_EQ(tokenizer->decode(ids), "a a");
  std::vector<std::uint64_t> offsets;
  tokenizer->encode_with_offsets("a a", AddSpecial::no, ParseSpecial::no, offsets);
  EXPECT_EQ(offsets, (std::vector<std::uint64_t>{0, 1, 3}));
}

TEST(Tokenizer, a_streaming_decoder_never_gives_half_a_character) {
  const auto tokenizer = make(byte_spec({{"a", "b"}}));
  const auto ids = tokenizer->encode("x\U0001F600y", AddSpecial::no, ParseSpecial::no);
  ASSERT_EQ(ids.size(), 6u);
  StreamingDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.push(ids[0]), "x");
  EXPECT_EQ(decoder.push(ids[1]), "");
  EXPECT_EQ(decoder.push(ids[2]), "");
  EXPECT_EQ(decoder.push(ids[3]), "");
  EXPECT_EQ(decoder.push(ids[4]), "\U0001F600");
  EXPECT_EQ(decoder.push(ids[1]), "");
  EXPECT_EQ(decoder.push(ids[5]), "\uFFFDy") << "a character cut short is replaced once what follows shows it";
  EXPECT_EQ(decoder.push(ids[1]), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
  EXPECT_EQ(decoder.finish(), "");
}

TEST(Tokenizer, control_tokens_are_shown_only_on_demand) {
  const auto tokenizer = make(byte_spec({{"a", "b"}}, {"<|im_end|>"}));
  EXPECT_EQ(tokenizer->decode(std::vector<TokenId>{256, 257}), "ab");
  EXPECT_EQ(tokenizer->decode(std::vector<TokenId>{256, 257}, true), "ab<|im_end|>");
  EXPECT_EQ(tokenizer->token_bytes(100000), "");
}

TEST(Tokenizer, a_specification_that_contradicts_itself_is_refused_with_what_is_wrong) {
  TokenizerSpec spec = byte_spec({{"a", "b"}});
  spec.merges.push_back({"a", "zz"});
  EXPECT_EQ(refusal(spec), "[tokenizer] merge 1 ('a' + 'zz'): 'zz' is not in the vocabulary");
  spec = byte_spec({{"a", "b"}});
  spec.eos = 300;
  EXPECT_EQ(refusal(spec), "[tokenizer] eos id 300, expected -1 (none) or below the vocabulary's 257");
  spec = byte_spec({{"a", "b"}});
  spec.end_tokens = {-5};
  EXPECT_EQ(refusal(spec), "[tokenizer] end token -5, expected below the vocabulary's 257");
  spec = byte_spec({{"a", "b"}});
  spec.types.pop_back();
  EXPECT_EQ(refusal(spec), "[tokenizer] 256 token types, expected 257 (one a token)");
  spec = byte_spec({});
  EXPECT_EQ(refusal(spec), "[tokenizer] byte-level BPE without merges");
  spec = byte_spec({{"a", "b"}});
  spec.add_bos = true;
  EXPECT_EQ(refusal(spec), "[tokenizer] add_bos is set without a bos id");
  EXPECT_EQ(refusal(TokenizerSpec{}), "[tokenizer] the vocabulary is empty");
  spec = piece_spec({"a"});
  spec.scores.clear();
  EXPECT_EQ(refusal(spec), "[tokenizer] SentencePiece BPE with neither scores nor merges");
  spec = piece_spec({"a"});
  spec.scores.pop_back();
  EXPECT_EQ(refusal(spec), "[tokenizer] 259 token scores, expected 260 (one a token)");
  spec = piece_spec({"a"});
  spec.scores.back() = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(refusal(spec), "[tokenizer] token 259 has a score that is no number");
  spec = piece_spec({"a"});
  spec.tokens[3] = "<0xZZ>";
  EXPECT_EQ(refusal(spec), "[tokenizer] byte token 3 is '<0xZZ>', expected <0x00> to <0xFF>");
}

/// Processor seconds that encoding takes, the best of three: other programs do not count.
double seconds_to_encode(const Tokenizer& tokenizer, const std::string& text) {
  double best = 1e9;
  for (int round = 0; round < 3; ++round) {
    const std::clock_t begin = std::clock();
    const auto ids = tokenizer.encode(text, AddSpecial::no, ParseSpecial::no);
    best = std::min(best, static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
    EXPECT_FALSE(ids.empty());
  }
  return best;
}

TEST(Tokenizer, time_grows_with_the_length_of_a_text_without_any_break_not_with_its_square) {
  for (const std::string name : {"llama_bpe", "llama2"}) {
    const Tokenizer& tokenizer = test::tokenizer_of(name);
    for (const std::string unit : {"ab", " ", "\u65e5\u672c", "\n", "<tool"}) {
      std::string small;
      while (small.size() < 60'000) small += unit;
      std::string large;
      for (int copy = 0; copy < 16; ++copy) large += small;
      // Linear would be 16 times, a square 256 times.
      EXPECT_LT(seconds_to_encode(tokenizer, large), 80 * seconds_to_encode(tokenizer, small) + 0.05)
          << name << " '" << unit << "'";
    }
  }
}

}  // namespace
}  // namespace tome
