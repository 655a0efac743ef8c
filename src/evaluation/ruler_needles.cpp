// RULER's needle tasks: sentences with a key and a value among noise, prose or other such sentences.
#include <algorithm>
#include <cmath>
#include <memory>

#include "evaluation/ruler_drafts.h"
#include "evaluation/ruler_words.h"

namespace tome {
namespace {

constexpr std::size_t depth_grid = 40;  // essays: needles stand at depths of linspace(0, 100, 40), rounded

struct Needles {
  std::vector<std::string> keys;
  std::vector<std::vector<std::string>> values;  // by key
  std::vector<std::string> sentences;            // in the order in which they stand
};

std::string needle_sentence(const RulerKit& kit, const RulerTask& task, const std::string& key,
                            const std::string& value) {
  return kit.parts.needle.fill(
      {{"type_needle_v", ruler_kind_name(task.value_kind, false)}, {"key", key}, {"value", value}});
}

Needles draw_needles(const RulerKit& kit, const RulerTask& task, RulerWords& words) {
  Needles needles;
  for (std::size_t key = 0; key < task.keys; ++key) {
    needles.keys.push_back(words.next(task.key_kind));
    needles.values.emplace_back();
    for (std::size_t value = 0; value < task.values; ++value) {
      needles.values.back().push_back(words.next(task.value_kind));
      needles.sentences.push_back(needle_sentence(kit, task, needles.keys.back(), needles.values.back().back()));
    }
  }
  shuffle(needles.sentences, words.rng());
  return needles;
}

/// Ascending places in [0, 1), one a needle.
std::vector<double> draw_places(std::size_t count, Rng& rng) {
  std::vector<double> places(count);
  for (double& place : places) place = rng.uniform();
  std::sort(places.begin(), places.end());
  return places;
}

std::string lines_with(const std::vector<std::string>& needles, const std::vector<double>& places, std::size_t lines,
                       const std::function<const std::string&(std::size_t)>& line) {
  std::string text;
  const auto add = [&](const std::string& one) { text += (text.empty() ? "" : "\n") + one; };
  std::size_t next = 0;
  for (std::size_t at = 0; at <= lines; ++at) {
    while (next < needles.size() &&
           (at == lines || static_cast<std::size_t>(places[next] * static_cast<double>(lines)) == at))
      add(needles[next++]);
    if (at < lines) add(line(at));
  }
  return text;
}

void fill_with_needles(RulerDraft& draft, const RulerKit& kit, const RulerTask& task, std::vector<std::string> needles,
                       std::uint64_t limit, RulerWords& words) {
  const std::vector<double> places = draw_places(needles.size(), words.rng());
  auto lines = std::make_shared<std::vector<std::string>>();
  auto sums = std::make_shared<std::vector<std::uint64_t>>(1, 0);
  while (sums->back() <= limit) {
    const std::string key = words.next(task.key_kind);
    lines->push_back(needle_sentence(kit, task, key, words.next(task.value_kind)));
    sums->push_back(sums->back() + std::max<std::uint64_t>(1, kit.count("\n" + lines->back())));
  }
  draft.most = lines->size();
  draft.tokens = [sums](std::size_t count) { return (*sums)[count]; };
  draft.context = [needles, places, lines](std::size_t count) {
    return lines_with(needles, places, count, [&](std::size_t at) -> const std::string& { return (*lines)[at]; });
  };
}

void fill_with_essay(RulerDraft& draft, const RulerKit& kit, std::vector<std::string> needles, std::uint64_t limit,
                     Rng& rng) {
  std::vector<double> grid;
  for (std::size_t at = 0; at < depth_grid; ++at)
    grid.push_back(std::round(100.0 * static_cast<double>(at) / static_cast<double>(depth_grid - 1)));
  shuffle(grid, rng);
  std::vector<double> depths(grid.begin(), grid.begin() + static_cast<std::ptrdiff_t>(needles.size()));
  std::sort(depths.begin(), depths.end());
  draft.facts["depths"] = depths;
  const RulerHaystack* essay = &*kit.essay;
  draft.most = 2 * limit + 1;  // a word has half a token at the very least
  draft.tokens = [essay](std::size_t words) { return essay->tokens(words); };
  draft.context = [needles, depths, essay](std::size_t words) {
    std::string text;
    std::size_t from = 0;
    const auto add = [&](const std::string& one) {
      if (!one.empty()) text += (text.empty() ? "" : " ") + one;
    };
    for (std::size_t at = 0; at < needles.size(); ++at) {
      const double sentences = static_cast<double>(essay->sentences(words));
      const std::size_t place = essay->sentence_start(static_cast<std::size_t>(sentences * depths[at] / 100), words);
      add(essay->text(from, place));
      add(needles[at]);
      from = place;
    }
    add(essay->text(from, words));
    return text;
  };
}

std::string listed(const std::vector<std::string>& keys) {
  std::string text;
  for (std::size_t at = 0; at < keys.size(); ++at)
    text += (at == 0 ? "" : at + 1 == keys.size() ? (keys.size() > 2 ? ", and " : " and ") : ", ") + keys[at];
  return text;
}

}  // namespace

std::string ruler_joined(const std::vector<std::string>& parts, std::string_view with) {
  std::string text;
  for (std::size_t at = 0; at < parts.size(); ++at) text += (at == 0 ? "" : std::string(with)) + parts[at];
  return text;
}

void fill_with_noise(RulerDraft& draft, const RulerKit& kit, std::vector<std::string> needles, std::uint64_t limit,
                     Rng& rng) {
  const std::string noise = kit.parts.noise.fill({});
  const std::uint64_t each = std::max<std::uint64_t>(1, kit.count("\n" + noise));
  draft.most = limit / each + 1;
  draft.tokens = [each](std::size_t lines) { return lines * each; };
  draft.context = [needles, noise, places = draw_places(needles.size(), rng)](std::size_t lines) {
    return lines_with(needles, places, lines, [&](std::size_t) -> const std::string& { return noise; });
  };
}

std::string ruler_kind_name(RulerWordKind kind, bool several) {
  const std::string one = kind == RulerWordKind::words ? "word" : kind == RulerWordKind::numbers ? "number" : "uuid";
  return several ? one + "s" : one;
}

RulerDraft draft_needles(const RulerKit& kit, const RulerTask& task, std::uint64_t limit, std::uint64_t seed) {
  RulerWords words(seed);
  const Needles needles = draw_needles(kit, task, words);
  RulerDraft draft;
  std::vector<std::string> asked = needles.keys;
  asked.resize(task.queries);
  for (std::size_t key = 0; key < task.queries; ++key)
    for (const std::string& value : needles.values[key]) draft.gold.answers.push_back(value);
  draft.values = {{"query", listed(asked)},
                  {"type_needle_v", ruler_kind_name(task.value_kind, draft.gold.answers.size() > 1)}};
  draft.facts = {{"keys", needles.keys}};
  draft.evidence = ruler_joined(needles.sentences, "\n");
  switch (task.haystack) {
    case RulerHaystackKind::noise:
      fill_with_noise(draft, kit, needles.sentences, limit, words.rng());
      break;
    case RulerHaystackKind::needles:
      fill_with_needles(draft, kit, task, needles.sentences, limit, words);
      break;
    case RulerHaystackKind::essay:
      fill_with_essay(draft, kit, needles.sentences, limit, words.rng());
      break;
  }
  return draft;
}

}  // namespace tome
