#pragma once
// One draft a kind of RULER task. Everything random in a draft comes from the sample's seed.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "evaluation/prompt_template.h"
#include "evaluation/ruler_draft.h"
#include "evaluation/ruler_haystack.h"
#include "evaluation/ruler_questions.h"
#include "evaluation/ruler_tasks.h"
#include "tokenizer/tokenizer.h"

namespace tome {

/// The sentences that prompts are built of, beside each task's wording.
struct RulerParts {
  PromptTemplate needle;        ///< {type_needle_v} {key} {value}
  PromptTemplate noise;         ///< a line of it
  PromptTemplate assign_value;  ///< {name} {value}
  PromptTemplate assign_other;  ///< {name} {other}
  PromptTemplate document;      ///< {number} {document}
};

/// What all drafts share; outlives them.
struct RulerKit {
  const Tokenizer* tokenizer = nullptr;
  RulerParts parts;
  std::optional<RulerHaystack> essay;  ///< when a task asks for it
  std::optional<RulerQuestions> one_hop, two_hops;
  std::vector<std::uint64_t> number_tokens;  ///< cwe: [n + 1], of " 1." … " n." together

  std::uint64_t count(const std::string& piece) const {
    return tokenizer->encode(piece, AddSpecial::no, ParseSpecial::no).size();
  }
};

/// "numbers", "number"; "uuids" …
std::string ruler_kind_name(RulerWordKind kind, bool several);

std::string ruler_joined(const std::vector<std::string>& parts, std::string_view with);
/// Makes the draft's context lines of noise with `lines` at random places among them, in their order.
void fill_with_noise(RulerDraft& draft, const RulerKit& kit, std::vector<std::string> lines, std::uint64_t limit,
                     Rng& rng);

/// limit: no context is longer than so many tokens.
RulerDraft draft_needles(const RulerKit& kit, const RulerTask& task, std::uint64_t limit, std::uint64_t seed);
RulerDraft draft_variables(const RulerKit& kit, const Wording& wording, std::uint64_t limit, std::uint64_t seed,
                           std::uint64_t example_seed);
RulerDraft draft_common_words(const RulerKit& kit, const Wording& wording, std::uint64_t length, std::uint64_t limit,
                              std::uint64_t seed, std::uint64_t example_seed);
RulerDraft draft_frequent_words(const RulerKit& kit, std::uint64_t limit, std::uint64_t seed);
RulerDraft draft_questions(const RulerKit& kit, const RulerQuestions& questions, std::size_t question,
                           std::uint64_t limit, std::uint64_t seed);

/// " 1." … " n.": as long as any prompt of `length` tokens may need.
std::vector<std::uint64_t> count_list_numbers(const Tokenizer& tokenizer, std::uint64_t length);

}  // namespace tome
