#pragma once
// What RULER's qa tasks ask: questions, the documents that answer them, and documents that do not.
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace tome {

struct RulerQuestion {
  std::string question;
  std::vector<std::string> answers;   ///< any of them
  std::vector<std::size_t> evidence;  ///< documents with the answer
  std::vector<std::size_t> related;   ///< taken first as filler: of the same article, or the question's own distractors
};

struct RulerQuestions {
  std::vector<std::string> documents;  ///< no two alike
  std::vector<RulerQuestion> questions;
  std::string source;                ///< "squad.json", "generated"
  std::vector<std::string> notices;  ///< records that were left out
};

/// SQuAD v2's dev file: answerable questions. Errors: io; format, naming file and field.
Result<RulerQuestions> load_squad(const std::string& path);
/// HotpotQA's dev file, distractor setting. Errors: io; format. Bad records are left out and told in notices.
Result<RulerQuestions> load_hotpotqa(const std::string& path);
/// Facts about names of no one, with one or two hops, in paragraphs of generated prose, and at least `documents`
/// documents with other such facts.
RulerQuestions generate_questions(std::uint64_t seed, std::size_t questions, std::size_t documents, int hops);

}  // namespace tome
