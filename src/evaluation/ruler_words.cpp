#include "evaluation/ruler_words.h"

#include <iterator>
#include <string_view>

namespace tome {
namespace {

constexpr std::string_view adjectives[] = {
    "quiet",   "amber",   "hollow",  "brisk",  "copper",  "distant", "early",   "faded",  "gentle",   "humble",
    "icy",     "jagged",  "keen",    "lively", "mellow",  "narrow",  "oaken",   "pale",   "quaint",   "rustic",
    "silent",  "tidy",    "upright", "vivid",  "wooden",  "young",   "ancient", "bitter", "crooked",  "dusty",
    "elegant", "fragile", "golden",  "hasty",  "idle",    "jolly",   "knotted", "lonely", "misty",    "noble",
    "odd",     "patient", "ragged",  "solemn", "thirsty", "unruly",  "velvet",  "weary",  "yellow",   "zealous",
    "bold",    "calm",    "damp",    "eager",  "frosty",  "grave",   "heavy",   "inner",  "lofty",    "muddy",
    "nimble",  "ornate",  "plain",   "rapid",  "shiny",   "tender",  "vast",    "windy",  "bright",   "chilly",
    "dreamy",  "earnest", "fierce",  "grim",   "honest",  "ivory",   "lunar",   "modest", "northern", "pearly",
    "royal",   "scarlet", "tall",    "useful", "violet",  "woven",   "blunt",   "clever", "dainty",   "empty"};
constexpr std::string_view nouns[] = {
    "anchor",  "apple",   "arrow",   "badge",   "banner",  "barley",   "basin",   "beacon",   "bell",    "birch",
    "blade",   "bottle",  "bridge",  "bronze",  "bucket",  "button",   "cabin",   "candle",   "canvas",  "castle",
    "cellar",  "chalk",   "chapel",  "cherry",  "chest",   "cider",    "cliff",   "clock",    "cloud",   "clover",
    "cobalt",  "coin",    "comb",    "coral",   "cotton",  "cradle",   "crane",   "crown",    "crystal", "curtain",
    "dagger",  "daisy",   "desert",  "donkey",  "dragon",  "drum",     "eagle",   "ember",    "falcon",  "feather",
    "fence",   "ferry",   "fiddle",  "flint",   "forest",  "fountain", "fox",     "garden",   "garnet",  "gate",
    "ginger",  "glacier", "glove",   "grain",   "granite", "grove",    "hammer",  "harbour",  "harp",    "hazel",
    "hedge",   "helmet",  "heron",   "honey",   "horizon", "island",   "jacket",  "jasmine",  "kettle",  "kite",
    "ladder",  "lagoon",  "lantern", "laurel",  "lemon",   "lily",     "linen",   "lizard",   "lobster", "locket",
    "maple",   "marble",  "market",  "meadow",  "mirror",  "mitten",   "moss",    "mountain", "nectar",  "needle",
    "nutmeg",  "oasis",   "olive",   "onion",   "orchard", "otter",    "oyster",  "paddle",   "palace",  "parrot",
    "pebble",  "pepper",  "pigeon",  "pillar",  "planet",  "plum",     "pocket",  "pond",     "poppy",   "prairie",
    "pumpkin", "quarry",  "quartz",  "quilt",   "rabbit",  "raft",     "raven",   "ribbon",   "river",   "robin",
    "rocket",  "saddle",  "sail",    "salmon",  "satin",   "shadow",   "shelter", "shovel",   "silver",  "sparrow",
    "spindle", "spruce",  "stable",  "statue",  "stone",   "summit",   "tavern",  "temple",   "thistle", "thunder",
    "timber",  "torch",   "tower",   "trumpet", "tulip",   "tunnel",   "turtle",  "valley",   "velvet",  "village",
    "vine",    "walnut",  "weaver",  "whistle", "willow",  "window",   "winter",  "wren",     "zebra",   "zinc"};
constexpr std::string_view onsets[] = {"b", "d", "dr", "f", "g", "k",  "l", "m",
                                       "n", "p", "r",  "s", "t", "tr", "v", "z"};
constexpr std::string_view vowels[] = {"a", "e", "i", "o", "u"};
constexpr std::string_view codas[] = {"n", "r", "l", "s", "th", "x"};
constexpr std::size_t compounds = std::size(nouns) * std::size(nouns);
constexpr std::size_t pairs = std::size(adjectives) * std::size(nouns);

template <std::size_t count>
std::string pick(Rng& rng, const std::string_view (&from)[count]) {
  return std::string(from[rng.below(count)]);
}

std::string uuid4(Rng& rng) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string text = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
  for (char& symbol : text) {
    if (symbol == 'x') symbol = hex[rng.below(16)];
    if (symbol == 'y') symbol = hex[8 + rng.below(4)];
  }
  return text;
}

std::string drawn(Rng& rng, std::string_view alphabet, std::size_t count) {
  std::string text;
  while (text.size() < count) text += alphabet[rng.below(alphabet.size())];
  return text;
}

}  // namespace

template <class Make>
std::string RulerWords::fresh(const Make& make) {
  std::string word = make();
  while (!used_.insert(word).second) word = make();
  return word;
}

std::string RulerWords::next(RulerWordKind kind) {
  switch (kind) {
    case RulerWordKind::numbers:
      return digits(7);
    case RulerWordKind::uuids:
      return fresh([&] { return uuid4(rng_); });
    case RulerWordKind::words:
      break;
  }
  // Once half of the pairs are out, a third word keeps the search for a new one short.
  const bool longer = used_.size() > pairs / 2;
  return fresh([&] {
    const std::string pair = pick(rng_, adjectives) + "-" + pick(rng_, nouns);
    return longer ? pair + "-" + pick(rng_, nouns) : pair;
  });
}

std::string RulerWords::plain() {
  constexpr std::size_t all = std::size(adjectives) + std::size(nouns);
  if (used_.size() > all * 2 / 3) return compound();
  return fresh([&] {
    const std::size_t at = rng_.below(all);
    return std::string(at < std::size(nouns) ? nouns[at] : adjectives[at - std::size(nouns)]);
  });
}

std::string RulerWords::compound() {
  const bool longer = used_.size() > compounds / 2;
  return fresh([&] {
    const std::string pair = pick(rng_, nouns) + pick(rng_, nouns);
    return longer ? pair + pick(rng_, nouns) : pair;
  });
}

std::string RulerWords::letters(std::size_t count) {
  return fresh([&] { return drawn(rng_, "abcdefghijklmnopqrstuvwxyz", count); });
}

std::string RulerWords::capitals(std::size_t count) {
  return fresh([&] { return drawn(rng_, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", count); });
}

std::string RulerWords::digits(std::size_t count) {
  return fresh([&] { return drawn(rng_, "123456789", 1) + drawn(rng_, "0123456789", count - 1); });
}

std::string RulerWords::name() {
  return fresh([&] {
    std::string text;
    for (int syllable = 0; syllable < 4; ++syllable) text += pick(rng_, onsets) + pick(rng_, vowels);
    text += pick(rng_, codas);
    text[0] = static_cast<char>(text[0] - 'a' + 'A');
    return text;
  });
}

}  // namespace tome
