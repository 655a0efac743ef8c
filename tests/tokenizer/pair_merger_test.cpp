// Merging by scan, by heap, over cut texts and through the cache, against the definition: again and again, over the
// whole text, the pair of lowest rank, the leftmost of equal ones.
#include "tokenizer/pair_merger.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/rng.h"
#include "tokenizer/tokenizer.h"

namespace tome {
namespace {

std::vector<std::int32_t> merged_by_definition(const PairTable& table, std::vector<std::int32_t> ids) {
  for (;;) {
    std::size_t best = ids.size();
    Merge chosen;
    for (std::size_t at = 0; at + 1 < ids.size(); ++at) {
      const Merge merge = table.find(ids[at], ids[at + 1]);
      if (merge.rank < chosen.rank) {
        chosen = merge;
        best = at;
      }
    }
    if (best == ids.size()) return ids;
    ids[best] = chosen.merged;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST(PairMerger, scan_and_heap_follow_the_definition_for_random_tables_with_equal_ranks) {
  Rng rng(7);
  for (int round = 0; round < 300; ++round) {
    PairTable table;
    const std::uint64_t tokens = 3 + rng.below(12);
    for (std::uint64_t merge = 0; merge < 20; ++merge) {
      table.insert(static_cast<std::int32_t>(rng.below(tokens)), static_cast<std::int32_t>(rng.below(tokens)),
                   {static_cast<std::uint32_t>(rng.below(8)), static_cast<std::int32_t>(rng.below(tokens))});
    }
    PairMerger merger(table);
    for (const std::size_t length : {2, 5, 47, 48, 49, 50, 200}) {
      std::vector<Symbol> symbols;
      std::vector<std::int32_t> ids;
      for (std::size_t at = 0; at < length; ++at) {
        ids.push_back(static_cast<std::int32_t>(rng.below(3)));
        symbols.push_back({ids.back(), at + 1});
      }
      merger.merge(symbols);
      std::vector<std::int32_t> merged;
      for (const Symbol& symbol : symbols) merged.push_back(symbol.id);
      ASSERT_EQ(merged, merged_by_definition(table, ids)) << "length " << length;
      EXPECT_EQ(symbols.back().end, length);
    }
  }
}

TEST(PairMerger, cutting_a_text_where_no_merge_joins_changes_nothing) {
  Rng rng(11);
  const std::vector<std::string> letters = {"a", "b", "c", "\u2581"};
  for (int round = 0; round < 60; ++round) {
    std::set<std::string> pieces(letters.begin(), letters.end());
    while (pieces.size() < 30) {
      std::string piece;
      for (std::uint64_t left = 2 + rng.below(4); left > 0; --left) piece += letters[rng.below(letters.size())];
      pieces.insert(piece);
    }
    TokenizerSpec spec;
    spec.kind = TokenizerKind::sentencepiece_bpe;
    for (const std::string& piece : pieces) {
      spec.tokens.push_back(piece);
      spec.scores.push_back(-static_cast<double>(rng.below(12)));
    }
    const auto made = Tokenizer::create(spec);
    ASSERT_TRUE(made);
    std::map<std::string, std::int32_t> ids;
    for (std::size_t id = 0; id < spec.tokens.size(); ++id) ids[spec.tokens[id]] = static_cast<std::int32_t>(id);
    PairTable table;
    for (const auto& [left, left_id] : ids) {
      for (const auto& [right, right_id] : ids) {
        const auto merged = ids.find(left + right);
        if (merged == ids.end()) continue;
        const auto rank = static_cast<std::uint32_t>(-spec.scores[static_cast<std::size_t>(merged->second)]);
        table.insert(left_id, right_id, {rank, merged->second});
      }
    }
    for (int text_round = 0; text_round < 20; ++text_round) {
      std::string text;
      std::vector<std::int32_t> characters;
      for (std::uint64_t left = 1 + rng.below(150); left > 0; --left) {
        const std::string& letter = letters[rng.below(letters.size())];
        text += letter == "\u2581" ? " " : letter;
        characters.push_back(ids[letter]);
      }
      ASSERT_EQ((*made)->encode(text, AddSpecial::no, ParseSpecial::no), merged_by_definition(table, characters))
          << text;
    }
  }
}

}  // namespace
}  // namespace tome
