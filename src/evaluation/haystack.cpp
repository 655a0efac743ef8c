#include "evaluation/haystack.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/check.h"
#include "base/rng.h"
#include "runtime/document.h"

namespace tome {
namespace {

constexpr std::array<std::string_view, 16> kWho = {
    "The gardener",     "An old fisherman",  "Our neighbour",      "The night porter", "A travelling tailor",
    "The schoolmaster", "One of the clerks", "The miller's widow", "A young surveyor", "The ferryman",
    "Her uncle",        "The choir leader",  "A retired captain",  "The postmistress", "Somebody from the village",
    "The apothecary"};
constexpr std::array<std::string_view, 16> kDid = {
    "spoke at length about",      "had little patience with",   "used to write letters about",
    "could not stop laughing at", "kept a careful record of",   "was the first to notice",
    "never quite believed in",    "had once been warned about", "made a small drawing of",
    "thought it wise to ignore",  "walked a long way to see",   "remembered every detail of",
    "would gladly have sold",     "asked the children about",   "found nothing strange in",
    "wrote a song about"};
constexpr std::array<std::string_view, 20> kWhat = {
    "the weather on the coast", "the broken church clock", "a quarrel over the meadow",  "the smell of wet hay",
    "the lamps along the quay", "a map with torn edges",   "the price of good rope",     "the empty house by the mill",
    "a stranger's umbrella",    "the colour of the river", "the winter apples",          "a rumour from the city",
    "the new bridge",           "an unfinished portrait",  "the silence after the bell", "the mice in the granary",
    "a basket of pears",        "the road to the pass",    "the habits of herons",       "a letter without a name"};
constexpr std::array<std::string_view, 16> kWhen = {
    "when the rain had stopped",       "before anyone else was awake",  "on the way home from market",
    "although nobody had asked",       "while the kettle was boiling",  "as soon as the guests had left",
    "in the last days of autumn",      "without lowering the voice",    "because the evening was long",
    "and then changed the subject",    "with one hand on the door",     "as if it were a great secret",
    "until the candles had burnt low", "to the surprise of the others", "after a glass of elder wine",
    "and nobody contradicted it"};

template <class Words>
std::string_view pick(const Words& words, Rng& rng) {
  return words[rng.below(words.size())];
}

}  // namespace

std::string generated_prose(std::uint64_t bytes, std::uint64_t seed) {
  Rng rng(seed);
  std::string text, sentence, before;
  while (text.size() < bytes) {
    sentence = fmt::format("{} {} {} {}.", pick(kWho, rng), pick(kDid, rng), pick(kWhat, rng), pick(kWhen, rng));
    if (sentence == before) continue;
    before = sentence;
    text += sentence;
    text += rng.below(7) == 0 ? "\n\n" : " ";
  }
  return text;
}

Result<Haystack> Haystack::load(const Tokenizer& tokenizer, std::vector<std::string> files, std::uint64_t least_tokens,
                                std::uint64_t seed) {
  Haystack haystack(tokenizer);
  haystack.generated_ = files.empty();
  std::string text;
  if (files.empty()) {
    text = generated_prose(least_tokens * 8, seed);  // the longest words are far below eight bytes a token
  } else {
    std::sort(files.begin(), files.end());
    for (const std::string& file : files) {
      TOME_ASSIGN(const Document document, Document::load({file}));
      text += document.text();
      if (!text.ends_with('\n')) text += '\n';
    }
  }
  haystack.tokens_ = tokenizer.encode(text, AddSpecial::no, ParseSpecial::no);
  if (haystack.tokens_.size() < least_tokens)
    return fail(ErrorKind::usage, "[eval] --haystack: {} tokens in all, the longest length needs {}",
                haystack.tokens_.size(), least_tokens);
  return haystack;
}

std::size_t Haystack::sentence_start(std::span<const TokenId> tokens, std::size_t at) const {
  while (at > 0 && !sentences_.ends_sentence(tokens[at - 1])) --at;
  return at;
}

std::span<const TokenId> Haystack::stretch(std::uint64_t count, std::uint64_t seed) const {
  CHECK(count <= tokens_.size());
  const std::span<const TokenId> all(tokens_);
  Rng rng(seed);
  const std::size_t start = sentence_start(all, rng.below(all.size() - count + 1));
  return all.subspan(start, count);
}

}  // namespace tome
