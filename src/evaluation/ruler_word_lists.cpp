// RULER's aggregation tasks: the words that occur most often in a list (cwe) and in a coded text (fwe).
#include <algorithm>
#include <cmath>
#include <memory>

#include "evaluation/ruler_drafts.h"
#include "evaluation/ruler_words.h"

namespace tome {
namespace {

constexpr double zeta_of_two = 1.6449340668482264;  // π² / 6: the sum of k^-2
static_assert(ruler_alpha == 2.0);

/// "1. word 2. word …" of the first `words` words: the common ones first, each so many times, in random order.
std::string numbered_list(const std::vector<std::string>& words, std::size_t count, std::size_t common_times,
                          std::size_t uncommon_times, std::uint64_t seed) {
  std::vector<std::size_t> order;
  for (std::size_t word = 0; word < count; ++word)
    order.insert(order.end(), word < ruler_common_words ? common_times : uncommon_times, word);
  Rng rng(seed);
  shuffle(order, rng);
  std::string text;
  for (std::size_t at = 0; at < order.size(); ++at)
    text += fmt::format("{}{}. {}", at > 0 ? " " : "", at + 1, words[order[at]]);
  return text;
}

bool holds_one(const std::string& word, const std::vector<std::string>& others) {
  return std::any_of(others.begin(), others.end(),
                     [&](const std::string& other) { return word.find(other) != std::string::npos; });
}

/// Answers are looked for as parts of a text: none may be a part of another word.
std::vector<std::string> draw_common(RulerWords& words, const std::vector<std::string>& shown) {
  std::vector<std::string> result;
  while (result.size() < ruler_common_words) {
    const std::string word = words.plain();
    const auto within = [&](const std::string& other) { return other.find(word) != std::string::npos; };
    if (holds_one(word, result) || std::any_of(result.begin(), result.end(), within) ||
        std::any_of(shown.begin(), shown.end(), within))
      continue;
    result.push_back(word);
  }
  return result;
}

std::string answer_list(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t at = 0; at < ruler_common_words; ++at) text += fmt::format(" {}. {}", at + 1, words[at]);
  return text;
}

}  // namespace

std::vector<std::uint64_t> count_list_numbers(const Tokenizer& tokenizer, std::uint64_t length) {
  std::vector<std::uint64_t> sums(1, 0);
  // " 1. word" has three tokens at the least.
  for (std::uint64_t number = 1; number <= length / 3 + ruler_common_words * ruler_common_times; ++number)
    sums.push_back(sums.back() +
                   tokenizer.encode(fmt::format(" {}.", number), AddSpecial::no, ParseSpecial::no).size());
  return sums;
}

RulerDraft draft_common_words(const RulerKit& kit, const Wording& wording, std::uint64_t length, std::uint64_t limit,
                              std::uint64_t seed, std::uint64_t example_seed) {
  const bool is_short = length < ruler_short_length;
  const std::size_t common_times = is_short ? ruler_short_common : ruler_common_times;
  const std::size_t uncommon_times = is_short ? ruler_short_uncommon : ruler_uncommon_times;

  // The example: RULER's 20 or 40 words, 3 and 1 or 10 and 3 times.
  RulerWords example_words(example_seed), words(seed);
  std::vector<std::string> shown = draw_common(example_words, {});
  while (shown.size() < (is_short ? 20u : 40u)) shown.push_back(example_words.plain());
  for (const std::string& word : shown) words.never(word);
  TemplateValues values = {{"query", ""}, {"num_cw", std::to_string(ruler_common_words)}};

  auto list = std::make_shared<std::vector<std::string>>(draw_common(words, shown));
  const std::vector<std::string> common = *list;
  auto sums = std::make_shared<std::vector<std::uint64_t>>(ruler_common_words + 1, 0);  // by words: all their tokens
  const auto entries = [common_times, uncommon_times](std::size_t count) {
    return ruler_common_words * common_times + (count - ruler_common_words) * uncommon_times;
  };
  for (std::size_t word = 0; word < ruler_common_words; ++word)
    sums->back() += common_times * kit.count(" " + (*list)[word]);
  sums->back() += kit.number_tokens[entries(ruler_common_words)];
  while (sums->back() <= limit && entries(list->size() + 1) < kit.number_tokens.size()) {
    const std::string word = words.plain();
    if (holds_one(word, common)) continue;
    const std::uint64_t numbers =
        kit.number_tokens[entries(list->size() + 1)] - kit.number_tokens[entries(list->size())];
    list->push_back(word);
    sums->push_back(sums->back() + uncommon_times * kit.count(" " + word) + numbers);
  }
  RulerDraft draft;
  draft.values = values;
  values.emplace_back(
      "context", numbered_list(shown, shown.size(), is_short ? 3 : 10, is_short ? 1 : 3, example_words.rng().next()));
  draft.example =
      wording.user.fill(values) + wording.joint + wording.opening.fill(values) + answer_list(shown) + "\n\n";
  draft.gold.answers = common;
  draft.facts = {{"common_times", common_times}, {"uncommon_times", uncommon_times}};
  draft.least = ruler_common_words;
  draft.most = list->size();
  draft.tokens = [sums](std::size_t count) { return (*sums)[count]; };
  draft.context = [list, common_times, uncommon_times, order = words.rng().next()](std::size_t count) {
    return numbered_list(*list, count, common_times, uncommon_times, order);
  };
  return draft;
}

RulerDraft draft_frequent_words(const RulerKit& kit, std::uint64_t limit, std::uint64_t seed) {
  constexpr std::size_t tokens_per_coded_word = 50;  // of the budget: the size of the vocabulary
  constexpr std::size_t asked = 3;
  constexpr std::size_t least = 27;  // fewer words leave the fourth rank and the fifth with the same count
  RulerWords words(seed);
  std::vector<std::string> vocabulary{"..."};  // the first rank is noise
  const std::size_t size = std::max<std::size_t>(limit / tokens_per_coded_word, asked + 2);
  while (vocabulary.size() < size) vocabulary.push_back(words.letters(ruler_coded_letters));
  // Rank k of n words occurs ⌊n k^-α / ζ(α)⌋ times.
  const auto times = [](std::size_t rank, std::size_t count) {
    return static_cast<std::size_t>(static_cast<double>(count) * std::pow(static_cast<double>(rank + 1), -ruler_alpha) /
                                    zeta_of_two);
  };
  std::vector<std::uint64_t> each;
  for (const std::string& word : vocabulary) each.push_back(kit.count(" " + word));
  RulerDraft draft;
  draft.values = {{"query", ""}};
  draft.gold.answers.assign(vocabulary.begin() + 1, vocabulary.begin() + 1 + asked);
  draft.facts = {{"vocabulary", vocabulary.size()}};
  draft.least = least;
  draft.most = std::max<std::size_t>(least, 4 * limit);
  draft.tokens = [each, times](std::size_t count) {
    std::uint64_t sum = 0;
    for (std::size_t rank = 0; rank < each.size(); ++rank) sum += each[rank] * times(rank, count);
    return sum;
  };
  draft.context = [vocabulary, times, order = words.rng().next()](std::size_t count) {
    std::vector<const std::string*> list;
    for (std::size_t rank = 0; rank < vocabulary.size(); ++rank)
      list.insert(list.end(), times(rank, count), &vocabulary[rank]);
    Rng rng(order);
    shuffle(list, rng);
    std::string text;
    for (const std::string* word : list) text += (text.empty() ? "" : " ") + *word;
    return text;
  };
  return draft;
}

}  // namespace tome
