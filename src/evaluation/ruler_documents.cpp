// RULER's qa tasks: the documents that hold the answer among others.
#include <algorithm>
#include <memory>

#include "evaluation/ruler_drafts.h"
#include "evaluation/ruler_words.h"

namespace tome {
namespace {

std::string document_text(const RulerKit& kit, std::size_t number, const std::string& document) {
  return kit.parts.document.fill({{"number", std::to_string(number)}, {"document", document}});
}

/// Filler in RULER's order: the related documents, then others at random; all of them again when they are used up.
class FillerOrder {
 public:
  FillerOrder(const RulerQuestions& questions, const RulerQuestion& question, Rng& rng)
      : related_(question.related), rng_(rng) {
    shuffle(related_, rng_);
    std::vector<bool> taken(questions.documents.size());
    for (const auto* list : {&question.evidence, &question.related})
      for (const std::size_t document : *list) taken[document] = true;
    for (std::size_t document = 0; document < taken.size(); ++document)
      if (!taken[document]) others_.push_back(document);
  }
  bool empty() const { return related_.empty() && others_.empty(); }
  std::size_t next() {
    const std::size_t at = given_++ % (related_.size() + others_.size());
    if (at < related_.size()) return related_[at];
    const std::size_t other = at - related_.size();
    if (given_ <= related_.size() + others_.size())
      std::swap(others_[other], others_[other + rng_.below(others_.size() - other)]);
    return others_[other];
  }

 private:
  std::vector<std::size_t> related_, others_;
  Rng& rng_;
  std::size_t given_ = 0;
};

}  // namespace

RulerDraft draft_questions(const RulerKit& kit, const RulerQuestions& questions, std::size_t index, std::uint64_t limit,
                           std::uint64_t seed) {
  constexpr std::size_t typical_number = 100;  // for counting a heading's tokens
  const RulerQuestion& question = questions.questions[index];
  Rng rng(seed);
  RulerDraft draft;
  draft.values = {{"query", question.question}};
  draft.gold.answers = question.answers;
  draft.facts = {{"source", questions.source}, {"question", index}};

  struct Placed {
    std::size_t document;
    double place;
  };
  auto placed = std::make_shared<std::vector<Placed>>();  // evidence first
  std::vector<std::string> evidence;
  for (const std::size_t document : question.evidence) {
    placed->push_back({document, rng.uniform()});
    evidence.push_back(document_text(kit, evidence.size() + 1, questions.documents[document]));
  }
  draft.evidence = ruler_joined(evidence, "\n\n");

  auto sums = std::make_shared<std::vector<std::uint64_t>>(1, 0);
  Rng order_rng(rng.next());
  FillerOrder filler(questions, question, order_rng);
  while (!filler.empty() && sums->back() <= limit) {
    const std::size_t document = filler.next();
    placed->push_back({document, rng.uniform()});
    const std::string text = "\n\n" + document_text(kit, typical_number, questions.documents[document]);
    sums->push_back(sums->back() + std::max<std::uint64_t>(1, kit.count(text)));
  }
  draft.most = sums->size() - 1;
  draft.tokens = [sums](std::size_t count) { return (*sums)[count]; };
  draft.context = [placed, &kit, &questions, gold = question.evidence.size()](std::size_t count) {
    std::vector<Placed> chosen(placed->begin(), placed->begin() + static_cast<std::ptrdiff_t>(gold + count));
    std::stable_sort(chosen.begin(), chosen.end(), [](const Placed& a, const Placed& b) { return a.place < b.place; });
    std::vector<std::string> texts;
    for (const Placed& one : chosen)
      texts.push_back(document_text(kit, texts.size() + 1, questions.documents[one.document]));
    return ruler_joined(texts, "\n\n");
  };
  return draft;
}

}  // namespace tome
