// RULER's variable tracking: a chain of assignments among noise, and all the names that have its value.
#include "evaluation/ruler_drafts.h"
#include "evaluation/ruler_words.h"

namespace tome {
namespace {

struct Chain {
  std::vector<std::string> names, statements;
  std::string value;
};

Chain draw_chain(const RulerKit& kit, RulerWords& words, std::size_t letters) {
  Chain chain;
  chain.value = words.digits(5);
  for (std::size_t at = 0; at <= ruler_hops; ++at) {
    chain.names.push_back(words.capitals(letters));
    chain.statements.push_back(
        at == 0 ? kit.parts.assign_value.fill({{"name", chain.names[0]}, {"value", chain.value}})
                : kit.parts.assign_other.fill({{"name", chain.names[at]}, {"other", chain.names[at - 1]}}));
  }
  return chain;
}

TemplateValues chain_values(const Chain& chain) {
  return {{"query", chain.value}, {"num_v", std::to_string(chain.names.size())}};
}

}  // namespace

RulerDraft draft_variables(const RulerKit& kit, const Wording& wording, std::uint64_t limit, std::uint64_t seed,
                           std::uint64_t example_seed) {
  constexpr std::size_t example_lines = 5;
  constexpr std::size_t letters = 5, example_letters = 3;
  RulerWords example_words(example_seed), words(seed);
  const Chain example = draw_chain(kit, example_words, example_letters);
  words.never(example.value);
  const Chain chain = draw_chain(kit, words, letters);
  RulerDraft shown;
  fill_with_noise(shown, kit, example.statements, limit, example_words.rng());
  TemplateValues values = chain_values(example);
  values.emplace_back("context", shown.context(example_lines));

  RulerDraft draft;
  draft.example = wording.user.fill(values) + wording.joint + wording.opening.fill(values) + " " +
                  ruler_joined(example.names, " ") + "\n\n";
  draft.values = chain_values(chain);
  draft.gold.answers = chain.names;
  draft.facts = {{"value", chain.value}};
  draft.evidence = ruler_joined(chain.statements, "\n");
  fill_with_noise(draft, kit, chain.statements, limit, words.rng());
  return draft;
}

}  // namespace tome
