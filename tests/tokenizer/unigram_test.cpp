// SentencePiece's unigram kind, on vocabularies of a few pieces; tokenizer_parity_test.cpp has the reference's ids.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tokenizer/character_map.h"
#include "tokenizer/tokenizer.h"

namespace tome {
namespace {

TokenizerSpec pieces(const std::vector<std::pair<std::string, double>>& scored) {
  TokenizerSpec spec;
  spec.kind = TokenizerKind::unigram;
  spec.tokens = {"<unk>", "[CLS]", "[SEP]"};
  spec.types = {TokenType::unknown, TokenType::control, TokenType::control};
  spec.scores = {0.0, 0.0, 0.0};
  for (const auto& [piece, score] : scored) {
    spec.tokens.push_back(piece);
    spec.types.push_back(TokenType::normal);
    spec.scores.push_back(score);
  }
  spec.unknown = 0;
  spec.bos = 1;
  spec.eos = 2;
  spec.add_bos = spec.add_eos = true;
  return spec;
}

std::shared_ptr<const Tokenizer> make(const TokenizerSpec& spec) {
  auto made = Tokenizer::create(spec);
  if (!made) throw std::runtime_error(made.error().message);
  return *made;
}

/// A charsmap of one-byte texts, as darts-clone lays it out: root, then for each a node and its value.
std::string charsmap(const std::vector<std::pair<char, std::string>>& rules) {
  std::vector<std::uint32_t> units(512, 0);
  std::string texts;
  units[0] = 256u << 10;
  std::uint32_t value = 1;
  for (const auto& [from, to] : rules) {
    const std::uint32_t label = static_cast<unsigned char>(from), node = 256u ^ label;
    units[node] = label | 1u << 8 | (node ^ value) << 10;
    units[value++] = 0x80000000u | static_cast<std::uint32_t>(texts.size());
    texts += to + '\0';
  }
  std::string bytes;
  const auto put = [&](std::uint32_t unit) {
    for (int byte = 0; byte < 4; ++byte) bytes += static_cast<char>(unit >> (8 * byte) & 0xFF);
  };
  put(static_cast<std::uint32_t>(units.size() * 4));
  for (const std::uint32_t unit : units) put(unit);
  return bytes + texts;
}

using Ids = std::vector<TokenId>;

TEST(Unigram, takes_the_likeliest_cut_and_not_the_longest_piece) {
  const auto tokenizer = make(pieces({{"a", -1}, {"b", -1}, {"ab", -3}, {"abc", -9}, {"c", -1}, {"bc", -1.5}}));
  const auto encode = [&](const char* text) { return tokenizer->encode(text, AddSpecial::no, ParseSpecial::no); };
  EXPECT_EQ(encode("ab"), (Ids{3, 4}));   // −2 against −3
  EXPECT_EQ(encode("abc"), (Ids{3, 8}));  // −2.5 against −3, −4, −9
  EXPECT_EQ(tokenizer->encode("ab", AddSpecial::yes, ParseSpecial::no), (Ids{1, 3, 4, 2}));
}

TEST(Unigram, a_run_of_unknown_characters_is_one_token_and_names_of_control_tokens_are_text) {
  const auto tokenizer = make(pieces({{"a", -1}, {"[", -2}, {"]", -2}, {"C", -2}, {"L", -2}, {"S", -2}}));
  std::vector<std::uint64_t> offsets;
  EXPECT_EQ(tokenizer->encode_with_offsets("a\u65e5\u672ca", AddSpecial::no, ParseSpecial::no, offsets),
            (Ids{3, 0, 3}));
  EXPECT_EQ(offsets, (std::vector<std::uint64_t>{0, 1, 7, 8}));
  EXPECT_EQ(tokenizer->encode("[CLS]", AddSpecial::no, ParseSpecial::no), (Ids{4, 6, 7, 8, 5}));
  EXPECT_EQ(tokenizer->encode("[CLS]a", AddSpecial::no, ParseSpecial::yes), (Ids{1, 3}));
}

TEST(Unigram, a_word_begins_at_a_space_and_the_first_one_at_none) {
  TokenizerSpec spec = pieces({{"\u2581", -2}, {"\u2581a", -1}, {"a", -3}, {"a\u2581", -0.1}, {"b", -3}});
  auto tokenizer = make(spec);
  // "a▁" is likelier than all, but no piece crosses from one word into the next.
  EXPECT_EQ(tokenizer->encode("a a  b", AddSpecial::no, ParseSpecial::no), (Ids{5, 4, 3, 3, 7}));
  spec.add_space_prefix = true;
  tokenizer = make(spec);
  std::vector<std::uint64_t> offsets;
  EXPECT_EQ(tokenizer->encode_with_offsets("b a", AddSpecial::no, ParseSpecial::no, offsets), (Ids{3, 7, 4}));
  EXPECT_EQ(offsets, (std::vector<std::uint64_t>{0, 0, 1, 3}));
  EXPECT_EQ(tokenizer->encode(" a", AddSpecial::no, ParseSpecial::no), (Ids{4}));  // no second space
  EXPECT_EQ(tokenizer->encode("", AddSpecial::no, ParseSpecial::no), Ids{});
  EXPECT_EQ(tokenizer->decode(Ids{4, 4}), "a a");
}

TEST(Unigram, spaces_are_joined_and_stripped_where_the_file_says_so_and_offsets_are_the_texts) {
  TokenizerSpec spec = pieces({{"\u2581", -2}, {"a", -1}, {"b", -1}});
  spec.joins_spaces = spec.strips_text_right = true;
  auto tokenizer = make(spec);
  std::vector<std::uint64_t> offsets;
  EXPECT_EQ(tokenizer->encode_with_offsets("  a   b \t ", AddSpecial::no, ParseSpecial::no, offsets),
            (Ids{3, 4, 3, 5}));
  EXPECT_EQ(offsets, (std::vector<std::uint64_t>{0, 2, 3, 6, 10}));
  EXPECT_EQ(tokenizer->encode(" \n ", AddSpecial::no, ParseSpecial::no), Ids{});
  spec.strips_text_left = true;
  tokenizer = make(spec);
  EXPECT_EQ(tokenizer->encode_with_offsets("\n  a b", AddSpecial::no, ParseSpecial::no, offsets), (Ids{4, 3, 5}));
  EXPECT_EQ(offsets, (std::vector<std::uint64_t>{0, 4, 5, 6}));
  // U+2581 is a space that neither is stripped nor joins.
  EXPECT_EQ(tokenizer->encode("\u2581a \u2581", AddSpecial::no, ParseSpecial::no), (Ids{3, 4, 3, 3}));
}

TEST(Unigram, characters_are_mapped_first_and_offsets_are_the_texts) {
  TokenizerSpec spec = pieces({{"\u2581", -2}, {"a", -1}, {"bb", -1}});
  spec.character_map = charsmap({{'A', "a"}, {'\t', " "}, {'B', "bb"}, {'X', ""}});
  const auto tokenizer = make(spec);
  std::vector<std::uint64_t> offsets;
  EXPECT_EQ(tokenizer->encode_with_offsets("XA\tBXa", AddSpecial::no, ParseSpecial::no, offsets), (Ids{4, 3, 5, 4}));
  EXPECT_EQ(offsets, (std::vector<std::uint64_t>{0, 2, 3, 5, 6}));
  // The shortest entry that a grapheme begins with decides for all of it, its accent too; a long one goes by
  // characters.
  EXPECT_EQ(tokenizer->encode("A\u0301", AddSpecial::no, ParseSpecial::no), (Ids{4}));
  EXPECT_EQ(tokenizer->encode("A\u0301\u0301\u0301", AddSpecial::no, ParseSpecial::no), (Ids{4, 0}));
}

TEST(CharacterMap, finds_what_the_shortest_beginning_becomes) {
  const auto map = CharacterMap::create(charsmap({{'A', "a"}, {'B', ""}}));
  ASSERT_TRUE(map) << map.error().message;
  EXPECT_EQ(map->find("A"), "a");
  EXPECT_EQ(map->find("Az"), "a");
  EXPECT_EQ(map->find("B"), "");
  EXPECT_FALSE(map->find("a"));
  EXPECT_FALSE(map->find(""));
  EXPECT_FALSE(map->find(std::string_view("\0A", 2)));
  EXPECT_FALSE(CharacterMap().find("A"));
}

TEST(CharacterMap, wrong_bytes_are_refused_or_map_nothing) {
  const std::string good = charsmap({{'A', "a"}});
  const auto message = [](const std::string& bytes) {
    const auto map = CharacterMap::create(bytes);
    return map ? "" : map.error().message;
  };
  EXPECT_EQ(message(good), "");
  for (const std::string& bytes : {std::string(), std::string("abc"), good.substr(0, 100), "\1" + good.substr(1)})
    EXPECT_NE(message(bytes).find("[tokenizer] precompiled_charsmap: a trie of"), std::string::npos);
  for (const std::string& bytes : {good.substr(0, good.size() - 1), good.substr(0, good.size() - 2),
                                   good.substr(0, good.size() - 2) + "\xFF" + '\0'})
    EXPECT_NE(message(bytes).find("its texts are no UTF-8 with a zero at the end"), std::string::npos);
  // Values and offsets that point nowhere.
  for (std::size_t at = 4; at < 4 + 512 * 4; at += 3) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x7F);
    const auto map = CharacterMap::create(bytes);
    ASSERT_TRUE(map);
    for (int byte = 0; byte < 256; ++byte)
      if (const auto found = map->find(std::string(3, static_cast<char>(byte)))) {
        EXPECT_LE(found->size(), 1u);  // "a", or its end
      }
  }
}

TEST(Unigram, wrong_vocabularies_are_refused) {
  const auto message = [](const TokenizerSpec& spec) {
    const auto made = Tokenizer::create(spec);
    return made ? "" : made.error().message;
  };
  TokenizerSpec spec = pieces({{"a", -1}});
  EXPECT_EQ(message(spec), "");
  spec.scores.clear();
  EXPECT_EQ(message(spec), "[tokenizer] unigram without log-probabilities or without an unknown token");
  spec = pieces({{"a", -1}});
  spec.unknown = -1;
  EXPECT_EQ(message(spec), "[tokenizer] unigram without log-probabilities or without an unknown token");
  spec = pieces({{"a", -std::numeric_limits<double>::infinity()}});
  EXPECT_EQ(message(spec), "[tokenizer] token 3 has the log-probability -inf");
  spec = pieces({{"a", -1}});
  spec.tokens.back() = std::string(1025, 'a');
  EXPECT_EQ(message(spec), "[tokenizer] token 3 has 1025 bytes, expected at most 1024");
  spec = pieces({{"a", -1}});
  spec.character_map = charsmap({{'A', std::string(1025, 'a')}});
  EXPECT_EQ(message(spec), "[tokenizer] precompiled_charsmap: a text of 1025 bytes, expected at most 1024");
  spec.character_map = "abc";
  EXPECT_NE(message(spec).find("precompiled_charsmap"), std::string::npos);
}

TEST(Unigram, a_piece_with_a_real_space_is_never_taken) {
  const auto tokenizer = make(pieces({{" a", -1}, {"\u2581a", -4}, {"\u2581", -9}}));
  EXPECT_EQ(tokenizer->encode(" a", AddSpecial::no, ParseSpecial::no), (Ids{4}));
}

// In quadratic time these two would take hours.
TEST(Unigram, a_megabyte_of_accents_between_letters_is_read) {
  TokenizerSpec spec = pieces({{"a", -1}, {"\u00e9", -1}, {"\u0301", -1}});
  spec.character_map = charsmap({{'A', "a"}});
  const auto tokenizer = make(spec);
  std::string text, marks = "a";
  for (int i = 0; i < 300'000; ++i) text += "A\u00e9";
  for (int i = 0; i < 500'000; ++i) marks += "\u0301";
  EXPECT_EQ(tokenizer->encode(text, AddSpecial::no, ParseSpecial::no).size(), 600'000u);
  EXPECT_EQ(tokenizer->encode(marks, AddSpecial::no, ParseSpecial::no).size(), 500'001u);
}

TEST(Unigram, a_word_of_a_megabyte_is_read) {
  const auto tokenizer = make(pieces({{"a", -1}, {"aa", -1.5}, {"aaaa", -2.5}}));
  const auto ids = tokenizer->encode(std::string(std::size_t{1} << 20, 'a'), AddSpecial::no, ParseSpecial::no);
  EXPECT_EQ(ids, Ids(std::size_t{1} << 18, 5));
}

}  // namespace
}  // namespace tome
