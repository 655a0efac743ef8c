#include "runtime/passages.h"

#include <gtest/gtest.h>

#include <numeric>

#include "runtime/bm25.h"
#include "runtime/reread.h"

namespace tome {
namespace {

Document one_file(std::string text) {
  auto document = Document::from_texts({{"doc.txt", std::move(text)}});
  EXPECT_TRUE(document.has_value());
  return std::move(*document);
}

/// One token a byte.
std::vector<std::uint64_t> byte_offsets(std::size_t count) {
  std::vector<std::uint64_t> offsets(count + 1);
  std::iota(offsets.begin(), offsets.end(), 0);
  return offsets;
}

Passage bytes(std::uint64_t begin, std::uint64_t end) {
  Passage passage;
  passage.begin = begin;
  passage.end = end;
  return passage;
}

TEST(Passages, every_token_is_in_exactly_one_passage) {
  const auto passages = cut_passages(byte_offsets(130), 64);
  ASSERT_EQ(passages.size(), 3u);
  EXPECT_EQ(passages[1].first_token, 64u);
  EXPECT_EQ(passages[1].last_token, 128u);
  EXPECT_EQ(passages[2].last_token, 130u);
  EXPECT_EQ(passages[2].end, 130u);
  EXPECT_TRUE(cut_passages(byte_offsets(0), 64).empty());
}

TEST(Passages, scores_are_summed_and_shares_add_up_to_one) {
  auto passages = cut_passages(byte_offsets(10), 4);
  std::vector<double> scores(10, 0.5);
  scores[5] = 3.0;
  score_passages(passages, scores);
  EXPECT_DOUBLE_EQ(passages[0].score, 2.0);
  EXPECT_DOUBLE_EQ(passages[1].score, 4.5);
  EXPECT_DOUBLE_EQ(passages[2].score, 1.0);
  EXPECT_DOUBLE_EQ(passages[0].share + passages[1].share + passages[2].share, 1.0);
  EXPECT_EQ(rank_passages(passages).front().index, 1u);
}

TEST(Passages, equal_scores_keep_document_order) {
  auto passages = cut_passages(byte_offsets(12), 4);
  score_passages(passages, std::vector<double>(12, 1.0));
  const auto ranked = rank_passages(passages);
  EXPECT_EQ(ranked[0].index, 0u);
  EXPECT_EQ(ranked[2].index, 2u);
}

TEST(Excerpts, a_passage_grows_to_the_ends_of_its_sentences) {
  const std::string text = "First one here. The second sentence is this. A third follows.";
  const Document document = one_file(text);
  const std::uint64_t middle = text.find("sentence");
  const Passage passage = bytes(middle, middle + 4);
  const auto excerpts = make_excerpts(document, std::span(&passage, 1));
  ASSERT_EQ(excerpts.size(), 1u);
  EXPECT_EQ(trimmed_text(document, excerpts[0].begin, excerpts[0].end), "The second sentence is this.");
}

TEST(Excerpts, a_blank_line_ends_a_passage_too) {
  const std::string text = "A heading\n\nno end mark here\n\nAnother heading";
  const Document document = one_file(text);
  const Passage passage = bytes(text.find("mark"), text.find("mark") + 2);
  const auto excerpts = make_excerpts(document, std::span(&passage, 1));
  EXPECT_EQ(trimmed_text(document, excerpts[0].begin, excerpts[0].end), "no end mark here");
}

TEST(Excerpts, without_a_sentence_end_in_reach_a_passage_ends_at_a_word) {
  std::string text;
  for (int word = 0; word < 400; ++word) text += "word" + std::to_string(word) + " ";
  const Document document = one_file(text);
  const Passage passage = bytes(1001, 1040);
  const auto excerpts = make_excerpts(document, std::span(&passage, 1), {.reach = 50});
  const auto shown = trimmed_text(document, excerpts[0].begin, excerpts[0].end);
  EXPECT_TRUE(shown.starts_with("word"));
  EXPECT_EQ(text[excerpts[0].end], ' ');
  EXPECT_GE(excerpts[0].end, 1040u);
}

TEST(Excerpts, overlapping_ones_are_merged_and_stand_in_document_order) {
  const std::string text = "Alpha is one. Beta is two. Gamma is three. Delta is four. Epsilon is five.";
  const Document document = one_file(text);
  std::vector<Passage> best{bytes(text.find("Epsilon"), text.find("five")), bytes(text.find("Alpha"), 5),
                            bytes(text.find("is one"), text.find("two"))};
  best[1].share = 0.25;
  best[2].share = 0.5;
  const auto excerpts = make_excerpts(document, best);
  ASSERT_EQ(excerpts.size(), 2u);
  EXPECT_EQ(trimmed_text(document, excerpts[0].begin, excerpts[0].end), "Alpha is one. Beta is two.");
  EXPECT_DOUBLE_EQ(excerpts[0].share, 0.75);
  EXPECT_EQ(excerpts[0].rank, 2u);
  EXPECT_EQ(excerpts[1].rank, 1u);
}

TEST(Excerpts, none_crosses_from_one_file_into_the_next) {
  auto document = Document::from_texts({{"a.txt", "end of a"}, {"b.txt", "begin of b"}});
  ASSERT_TRUE(document.has_value());
  const Passage passage = bytes(document->parts()[0].begin + 4, document->parts()[1].begin + 3);
  const auto excerpts = make_excerpts(*document, std::span(&passage, 1));
  ASSERT_EQ(excerpts.size(), 1u);
  EXPECT_EQ(trimmed_text(*document, excerpts[0].begin, excerpts[0].end), "end of a");
}

TEST(Reread, the_least_ranked_passages_are_left_out_of_a_short_budget) {
  const std::string text = "Alpha is one.\n\nBeta is two.\n\nGamma is three.";
  const Document document = one_file(text);
  const auto at = [&](std::string_view word) { return bytes(text.find(word), text.find(word) + 3); };
  const std::vector<Passage> best{at("Gamma"), at("Alpha"), at("Beta")};
  const auto count = [](std::string_view piece) { return piece.size(); };
  EXPECT_EQ(make_reread_text(document, best, 1000, count).text, text);
  EXPECT_EQ(make_reread_text(document, best, 40, count).text, "Alpha is one.\n\nGamma is three.");
  EXPECT_EQ(make_reread_text(document, best, 1, count).text, "Gamma is three.");  // the best is always kept
}

TEST(Bm25, rare_words_count_more_and_case_does_not) {
  const std::vector<std::string_view> passages{"the cat and the dog", "the ZEBRA and the dog", "the dog and the dog"};
  const auto scores = bm25_scores(passages, "the zebra");
  EXPECT_GT(scores[1], scores[0]);
  EXPECT_GT(scores[1], scores[2]);
  EXPECT_DOUBLE_EQ(bm25_scores(passages, "unicorn")[0], 0.0);
}

TEST(Bm25, agrees_with_the_formula) {
  const std::vector<std::string_view> passages{"a b", "b c d d"};
  const double idf = std::log(1.0 + (2 - 1 + 0.5) / (1 + 0.5));
  const double expected = idf * 2 * 2.2 / (2 + 1.2 * (1 - 0.75 + 0.75 * 4 / 3.0));
  EXPECT_NEAR(bm25_scores(passages, "d")[1], expected, 1e-12);
}

}  // namespace
}  // namespace tome
