#pragma once
// A RULER prompt before its length is chosen: the text for any number of units of filler. fit_draft finds the largest
// number that fits, from the sums of the pieces' tokens, and counts the real prompt before it believes them.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "evaluation/prompt_template.h"
#include "evaluation/scorers.h"
#include "tokenizer/tokenizer.h"

namespace tome {

struct RulerDraft {
  std::size_t least = 0, most = 0;                   ///< units
  std::function<std::uint64_t(std::size_t)> tokens;  ///< of so many units, about; never falls
  std::function<std::string(std::size_t)> context;   ///< the same text for the same number, always
  TemplateValues values;                             ///< for the wording, beside {context}
  std::string example;                               ///< a solved example before the task; "" for none
  std::optional<std::string> evidence;               ///< the context without filler
  Gold gold;
  Json facts = Json::object();  ///< for the recipe
};

struct FittedPrompt {
  std::size_t units = 0;
  std::vector<TokenId> prompt;
};

/// encode: the whole prompt with so many units. nullopt when even the least is too long: its tokens are in `needed`.
std::optional<FittedPrompt> fit_draft(const RulerDraft& draft, std::uint64_t budget,
                                      const std::function<std::vector<TokenId>(std::size_t)>& encode,
                                      std::uint64_t& needed);

}  // namespace tome
