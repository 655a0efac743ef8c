#include "evaluation/niah.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/rng.h"
#include "evaluation/haystack.h"

namespace tome {
namespace {

constexpr std::uint64_t kBuffer = 200;  ///< tokens of the length for everything but haystack and needles
constexpr std::array<std::string_view, 24> kKeys = {"Ankara",  "Bergen",  "Cordoba",   "Dublin",  "Esbjerg", "Florence",
                                                    "Geneva",  "Havana",  "Innsbruck", "Jaipur",  "Kyoto",   "Lisbon",
                                                    "Malaga",  "Nairobi", "Odense",    "Palermo", "Quito",   "Riga",
                                                    "Seville", "Tallinn", "Uppsala",   "Verona",  "Warsaw",  "Zagreb"};

struct Needle {
  std::string key, value;
  double depth = 0;
};

/// splitmix64's step over the parts: one number for one place in the run.
std::uint64_t mixed(std::initializer_list<std::uint64_t> parts) {
  std::uint64_t state = 0x243f6a8885a308d3ULL;
  for (const std::uint64_t part : parts) state = Rng(state ^ part).next();
  return state;
}

std::string uuid(Rng& rng) {
  const std::uint64_t high = (rng.next() & ~0xf000ULL) | 0x4000ULL;                        // version 4
  const std::uint64_t low = (rng.next() & 0x3fffffffffffffffULL) | 0x8000000000000000ULL;  // its variant
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff, high & 0xffff, low >> 48,
                     low & 0xffffffffffffULL);
}

std::string joined(const std::vector<Needle>& needles) {
  std::string text;
  for (std::size_t i = 0; i < needles.size(); ++i)
    text += (i == 0 ? "" : i + 1 == needles.size() ? " and " : ", ") + needles[i].key;
  return text;
}

class NiahSource final : public SampleSource {
 public:
  NiahSource(const SampleOptions& options, Haystack haystack, DocumentPrompt prompt)
      : options_(options), haystack_(std::move(haystack)), prompt_(std::move(prompt)) {
    conditions_ = {Condition::full};
    if (options.baselines) conditions_ = {Condition::full, Condition::evidence_only, Condition::no_context};
  }

  std::size_t count() const override {
    return options_.lengths.size() * options_.samples * conditions_.size() * options_.depths.size();
  }

  Result<Sample> make(std::size_t index) const override {
    const std::size_t depth_index = index % options_.depths.size();
    index /= options_.depths.size();
    const Condition condition = conditions_[index % conditions_.size()];
    index /= conditions_.size();
    const std::uint64_t number = index % options_.samples, length = options_.lengths[index / options_.samples];
    const double depth = options_.depths[depth_index];
    Sample sample;
    sample.task =
        fmt::format("{}{}", options_.needle_form, options_.needles == 1 ? "" : fmt::format("_x{}", options_.needles));
    sample.id = fmt::format("{}/{}/{}/{}", length, number, condition_name(condition), depth);
    sample.cluster = fmt::format("{}/{}", length, number);
    sample.length = length;
    sample.depth = depth;
    sample.condition = condition;
    sample.max_new_tokens = answer_tokens();
    const std::vector<Needle> needles = needles_of(length, number, depth_index);
    for (const Needle& needle : needles) sample.gold.answers.push_back(needle.value);
    sample.bits = static_cast<double>(needles.size()) * (options_.needle_form == "uuid" ? 122.0 : std::log2(9e6));
    sample.prompt = prompt_.head();
    Json places = Json::array();
    const std::uint64_t stretch_seed = mixed({options_.seed, length, number, 1});
    if (condition == Condition::evidence_only) {
      for (const Needle& needle : needles) append(sample.prompt, needle_tokens(needle));
    } else if (condition == Condition::full) {
      TOME_TRY(fill(sample.prompt, needles, length, stretch_seed, places));
    }
    append(sample.prompt, question_tokens(needles));
    sample.recipe = {{"stretch_seed", stretch_seed}, {"needles", Json::array()}};
    for (std::size_t i = 0; i < needles.size(); ++i)
      sample.recipe["needles"].push_back({{"key", needles[i].key},
                                          {"value", needles[i].value},
                                          {"depth", needles[i].depth},
                                          {"token", condition == Condition::full ? places[i] : Json()}});
    return sample;
  }

  std::vector<std::string> notices() const override {
    if (!haystack_.generated()) return {};
    return {"the haystack is text made here (--haystack FILE for a book of yours)"};
  }

  /// For a message before the work: of the first samples, every depth's needles.
  Status check_lengths() const {
    for (const std::uint64_t length : options_.lengths)
      for (std::uint64_t number = 0; number < std::min<std::uint64_t>(options_.samples, 8); ++number)
        for (std::size_t depth = 0; depth < options_.depths.size(); ++depth) {
          std::vector<TokenId> prompt;
          Json places = Json::array();
          TOME_TRY(fill(prompt, needles_of(length, number, depth), length, 1, places));
        }
    return {};
  }

 private:
  static void append(std::vector<TokenId>& to, std::span<const TokenId> tokens) {
    to.insert(to.end(), tokens.begin(), tokens.end());
  }

  std::uint64_t answer_tokens() const { return (options_.needle_form == "uuid" ? 48 : 16) * options_.needles; }

  std::vector<Needle> needles_of(std::uint64_t length, std::uint64_t number, std::size_t depth_index) const {
    Rng rng(mixed({options_.seed, length, number, 2, depth_index}));
    std::vector<std::string_view> keys(kKeys.begin(), kKeys.end());
    std::vector<Needle> needles;
    const double first = options_.depths[depth_index], count = static_cast<double>(options_.needles);
    for (std::uint64_t i = 0; i < options_.needles; ++i) {
      const std::size_t key = rng.below(keys.size());
      Needle needle{std::string(keys[key]), {}, first + (100.0 - first) * static_cast<double>(i) / count};
      needle.value = options_.needle_form == "uuid" ? uuid(rng) : std::to_string(1000000 + rng.below(9000000));
      keys.erase(keys.begin() + static_cast<std::ptrdiff_t>(key));
      needles.push_back(std::move(needle));
    }
    return needles;
  }

  std::vector<TokenId> needle_tokens(const Needle& needle) const {
    return prompt_
        .text(fmt::format("\n\nThe pass key of {0} is {1}. Remember it: {1} is the pass key of {0}.\n\n", needle.key,
                          needle.value))
        .tokens;
  }

  std::vector<TokenId> question_tokens(const std::vector<Needle>& needles) const {
    const bool one = needles.size() == 1;
    if (prompt_.form() == PromptForm::chat)
      return prompt_
          .question(one ? fmt::format("What is the pass key of {}?", needles[0].key)
                        : fmt::format("What are the pass keys of {}, in this order?", joined(needles)))
          .tokens;
    return prompt_
        .text(one ? fmt::format("\n\nThe pass key of {} is", needles[0].key)
                  : fmt::format("\n\nThe pass keys of {}, in this order, are", joined(needles)))
        .tokens;
  }

  /// Appends the haystack with its needles; places: the token of the haystack before which each one went.
  Status fill(std::vector<TokenId>& prompt, const std::vector<Needle>& needles, std::uint64_t length,
              std::uint64_t stretch_seed, Json& places) const {
    std::vector<std::vector<TokenId>> pieces;
    std::uint64_t taken = kBuffer;
    for (const Needle& needle : needles) {
      pieces.push_back(needle_tokens(needle));
      taken += pieces.back().size();
    }
    const std::uint64_t around = prompt_.head().size() + question_tokens(needles).size() + answer_tokens();
    if (around > kBuffer) taken += around - kBuffer;
    if (length < 2 * taken)
      return fail(ErrorKind::usage, "[eval] --lengths {}: {} needles and their question need at least {} tokens",
                  length, needles.size(), 2 * taken);
    const std::span<const TokenId> hay = haystack_.stretch(length - taken, stretch_seed);
    std::size_t from = 0;
    for (std::size_t i = 0; i < needles.size(); ++i) {
      std::size_t at = hay.size();
      if (needles[i].depth < 100.0)
        at = haystack_.sentence_start(
            hay, static_cast<std::size_t>(static_cast<double>(hay.size()) * needles[i].depth / 100.0));
      at = std::max(at, from);
      append(prompt, hay.subspan(from, at - from));
      append(prompt, pieces[i]);
      places.push_back(at);
      from = at;
    }
    append(prompt, hay.subspan(from));
    return {};
  }

  SampleOptions options_;
  Haystack haystack_;
  DocumentPrompt prompt_;
  std::vector<Condition> conditions_;
};

}  // namespace

Result<std::unique_ptr<SampleSource>> make_niah_source(const SampleOptions& options) {
  if (options.needle_form != "number" && options.needle_form != "uuid")
    return fail(ErrorKind::usage, "[eval] --needle-form '{}': expected number or uuid", options.needle_form);
  if (options.needles == 0 || options.needles > kKeys.size())
    return fail(ErrorKind::usage, "[eval] --needles {}: expected 1 … {}", options.needles, kKeys.size());
  if (options.lengths.empty() || options.depths.empty() || options.samples == 0)
    return fail(ErrorKind::usage, "[eval] expected lengths, depths and at least one sample a cell");
  for (const double depth : options.depths)
    if (!(depth >= 0.0 && depth <= 100.0)) return fail(ErrorKind::usage, "[eval] --depths {}: expected 0 … 100", depth);
  const std::uint64_t longest = *std::max_element(options.lengths.begin(), options.lengths.end());
  TOME_ASSIGN(Haystack haystack, Haystack::load(*options.tokenizer, options.haystack, longest, options.seed));
  TOME_ASSIGN(DocumentPrompt prompt, DocumentPrompt::create(*options.tokenizer));
  auto source = std::make_unique<NiahSource>(options, std::move(haystack), std::move(prompt));
  TOME_TRY(source->check_lengths());
  return source;
}

}  // namespace tome
