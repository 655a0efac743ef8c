#include "evaluation/ruler_source.h"

#include <algorithm>
#include <array>

#include "evaluation/dataset_source.h"
#include "evaluation/prompt_frame.h"
#include "evaluation/ruler_drafts.h"
#include "evaluation/sample_seed.h"

namespace tome {
namespace {

constexpr std::uint64_t tokens_per_document = 60;  // generated ones have more: enough of them for any length

struct OwnWords {
  std::string_view user, opening;
};

OwnWords own_words(const RulerTask& task) {
  switch (task.kind) {
    case RulerKind::needles:
      if (task.values * task.queries == 1)
        return {
            "The text below hides a secret {type_needle_v}. Read it with care: you will be asked for it "
            "afterwards.\n\n{context}\n\nWhat is the secret {type_needle_v} of {query} in the text above?",
            "In the text above the secret {type_needle_v} of {query} is"};
      return {
          "The text below hides several secret {type_needle_v}. Read it with care: you will be asked for them "
          "afterwards.\n\n{context}\n\nWhat are all the secret {type_needle_v} of {query} in the text above?",
          "In the text above the secret {type_needle_v} of {query} are"};
    case RulerKind::variables:
      return {
          "The text below hides a chain of assignments. Follow it.\n\n{context}\n\n"
          "Question: Which variables have the value {query} in the text above?",
          "Following the chain, {num_v} variables have the value {query}:"};
    case RulerKind::common_words:
      return {
          "Some words of the numbered list below occur more often than the others. Keep them in mind.\n\n"
          "{context}\n\nQuestion: Which {num_cw} words occur most often in the list above?",
          "The {num_cw} words that occur most often are:"};
    case RulerKind::frequent_words:
      return {
          "Count how often each coded word occurs in the text below; dots are no words.\n\n{context}\n\n"
          "Question: Which three coded words occur most often in the text above? Give the words alone.",
          "The three coded words that occur most often are:"};
    case RulerKind::questions:
      return {
          "Answer the question from the documents below. Give the answer alone.\n\n{context}\n\n"
          "Answer the question from the documents above. Give the answer alone.\n\nQuestion: {query}",
          "Answer:"};
  }
  return {};
}

Result<Wording> wording_of(const Wordings& wordings, const RulerTask& task) {
  static constexpr std::array<std::string_view, 5> names = {"context", "query", "type_needle_v", "num_v", "num_cw"};
  const OwnWords own = own_words(task);
  return wordings.of(std::string(task.name), own.user, own.opening, names);
}

Result<RulerParts> load_parts(const Wordings& wordings) {
  static constexpr std::array<std::string_view, 3> needle = {"type_needle_v", "key", "value"};
  static constexpr std::array<std::string_view, 2> value = {"name", "value"}, copy = {"name", "other"},
                                                   document = {"number", "document"};
  RulerParts parts;
  TOME_ASSIGN(parts.needle,
              wordings.part("needle", "Take note: the secret {type_needle_v} of {key} is {value}.", needle));
  TOME_ASSIGN(parts.noise, wordings.part("noise",
                                         "The road is long. The bread is warm. The lamp is lit. On we walk. Nobody is "
                                         "in a hurry.",
                                         {}));
  TOME_ASSIGN(parts.assign_value, wordings.part("vt_value", "LET {name} = {value}", value));
  TOME_ASSIGN(parts.assign_other, wordings.part("vt_copy", "LET {name} = {other}", copy));
  TOME_ASSIGN(parts.document, wordings.part("document", "Document {number}:\n{document}", document));
  return parts;
}

Result<std::vector<const RulerTask*>> asked_tasks(const std::vector<std::string>& wanted) {
  std::vector<const RulerTask*> result;
  if (wanted.empty())
    for (const RulerTask& task : ruler_tasks()) result.push_back(&task);
  for (const std::string& name : wanted) {
    const auto all = ruler_tasks();
    const auto found = std::find_if(all.begin(), all.end(), [&](const RulerTask& task) { return task.name == name; });
    if (found == all.end()) {
      std::string known;
      for (const RulerTask& task : all) known += fmt::format("{}{}", known.empty() ? "" : ", ", task.name);
      return fail(ErrorKind::usage, "[eval] ruler: no task '{}', expected {}", name, known);
    }
    result.push_back(&*found);
  }
  return result;
}

struct AskedTask {
  const RulerTask* task;
  Wording wording;
  std::string wording_source;
};

/// Samples of one task, length and condition.
struct Cell {
  std::size_t task;
  std::uint64_t length;
  Condition condition;
  std::uint64_t first, count;  ///< index of its first sample in the source
};

class RulerSource : public SampleSource {
 public:
  RulerSource(SampleOptions options, PromptFrame frame) : options_(std::move(options)), frame_(std::move(frame)) {
    kit_.tokenizer = options_.tokenizer;
    if (options_.samples == 0) options_.samples = ruler_samples;
  }

  Status prepare() {
    TOME_ASSIGN(const Wordings wordings, Wordings::load(options_.prompts));
    TOME_ASSIGN(kit_.parts, load_parts(wordings));
    TOME_ASSIGN(const auto asked, asked_tasks(options_.tasks));
    for (const RulerTask* task : asked) {
      TOME_ASSIGN(Wording wording, wording_of(wordings, *task));
      const std::string source = wordings.source(wording);
      tasks_.push_back({task, std::move(wording), source});
      TOME_TRY(prepare_kit(*task));
    }
    if (std::any_of(tasks_.begin(), tasks_.end(), [](const AskedTask& task) { return task.wording.own; }))
      notices_.push_back(
          "ruler: prompts in Tome's own wording; --prompts FILE takes the official one, to compare with published "
          "scores");
    list_cells();
    return check_lengths();
  }

  std::size_t count() const override { return cells_.empty() ? 0 : cells_.back().first + cells_.back().count; }
  std::vector<std::string> notices() const override { return notices_; }
  std::uint64_t skipped_lines() const override { return skipped_; }

  Result<Sample> make(std::size_t index) const override {
    const auto after = std::upper_bound(cells_.begin(), cells_.end(), index,
                                        [](std::size_t at, const Cell& cell) { return at < cell.first; });
    const Cell& cell = *(after - 1);
    const std::uint64_t number = index - cell.first;
    const AskedTask& asked = tasks_[cell.task];
    const RulerDraft draft = draft_of(cell.task, cell.length, number);
    Sample sample;
    sample.task = asked.task->name;
    sample.id = fmt::format("{}/{}/{}/{}", sample.task, cell.length, condition_name(cell.condition), number);
    sample.cluster = fmt::format("{}/{}/{}", sample.task, cell.length, number);
    sample.length = cell.length;
    sample.condition = cell.condition;
    sample.max_new_tokens = asked.task->max_new_tokens;
    sample.gold = draft.gold;
    sample.recipe = {{"seed", options_.seed},
                     {"index", number},
                     {"wording", asked.wording_source},
                     {"haystack", haystack_name(*asked.task)},
                     {"facts", draft.facts}};
    if (cell.condition == Condition::full) {
      std::uint64_t needed = 0;
      auto fitted = fit_draft(
          draft, cell.length - asked.task->max_new_tokens,
          [&](std::size_t units) { return encode(asked, draft, draft.context(units)); }, needed);
      if (!fitted) return too_short(*asked.task, cell.length, needed);
      sample.recipe["units"] = fitted->units;
      sample.prompt = std::move(fitted->prompt);
    } else {
      const bool evidence = cell.condition == Condition::evidence_only;
      sample.prompt = encode(asked, draft, evidence ? *draft.evidence : "");
    }
    return sample;
  }

 private:
  std::vector<TokenId> encode(const AskedTask& asked, const RulerDraft& draft, std::string context) const {
    TemplateValues values = draft.values;
    values.emplace_back("context", std::move(context));
    return frame_.encode(
        {draft.example + asked.wording.user.fill(values), asked.wording.joint, asked.wording.opening.fill(values)});
  }

  Json haystack_name(const RulerTask& task) const {
    if (task.kind != RulerKind::needles || task.haystack != RulerHaystackKind::essay) return nullptr;
    return kit_.essay->generated() ? Json("generated") : Json(kit_.essay->names());
  }

  static tl::unexpected<Error> too_short(const RulerTask& task, std::uint64_t length, std::uint64_t needed) {
    return fail(ErrorKind::usage, "[eval] ruler {}: length {}, expected at least {} ({} of prompt, {} new)", task.name,
                length, needed + task.max_new_tokens, needed, task.max_new_tokens);
  }

  Status prepare_kit(const RulerTask& task) {
    const std::uint64_t longest = *std::max_element(options_.lengths.begin(), options_.lengths.end());
    if (task.kind == RulerKind::needles && task.haystack == RulerHaystackKind::essay && !kit_.essay) {
      TOME_ASSIGN(kit_.essay, RulerHaystack::create(*options_.tokenizer, options_.haystack, longest, options_.seed));
      if (kit_.essay->generated()) notices_.push_back("ruler: no --haystack, generated prose stands in for essays");
    }
    if (task.kind == RulerKind::common_words && kit_.number_tokens.empty())
      kit_.number_tokens = count_list_numbers(*options_.tokenizer, longest);
    if (task.name == "qa_1" && !kit_.one_hop) return prepare_questions(task, "squad.json", 1, longest, kit_.one_hop);
    if (task.name == "qa_2" && !kit_.two_hops)
      return prepare_questions(task, "hotpotqa.json", 2, longest, kit_.two_hops);
    return {};
  }

  Status prepare_questions(const RulerTask& task, const std::string& name, int hops, std::uint64_t longest,
                           std::optional<RulerQuestions>& questions) {
    const std::string file = find_data_file(options_.data, {name}, false);
    if (file.empty()) {
      notices_.push_back(fmt::format("ruler {}: no {} in --data, generated facts stand in for it", task.name, name));
      questions = generate_questions(sample_seed(options_.seed, task.name, 0, 0), options_.samples,
                                     longest / tokens_per_document, hops);
      return {};
    }
    TOME_ASSIGN(questions, hops == 1 ? load_squad(file) : load_hotpotqa(file));
    notices_.insert(notices_.end(), questions->notices.begin(), questions->notices.end());
    skipped_ += questions->notices.size();
    if (questions->questions.size() < options_.samples)
      notices_.push_back(fmt::format("ruler {}: {} has {} questions, fewer than the {} samples asked for", task.name,
                                     name, questions->questions.size(), options_.samples));
    return {};
  }

  const RulerQuestions& questions_of(const RulerTask& task) const {
    return task.name == "qa_1" ? *kit_.one_hop : *kit_.two_hops;
  }

  void list_cells() {
    for (std::size_t at = 0; at < tasks_.size(); ++at) {
      const RulerTask& task = *tasks_[at].task;
      std::uint64_t samples = options_.samples;
      if (task.kind == RulerKind::questions)
        samples = std::min<std::uint64_t>(samples, questions_of(task).questions.size());
      const bool has_evidence = task.kind != RulerKind::common_words && task.kind != RulerKind::frequent_words;
      for (const std::uint64_t length : options_.lengths) {
        add_cell({at, length, Condition::full, 0, samples});
        if (options_.baselines && has_evidence) add_cell({at, length, Condition::evidence_only, 0, samples});
        if (options_.baselines && task.kind == RulerKind::questions)
          add_cell({at, length, Condition::no_context, 0, samples});
      }
    }
  }

  void add_cell(Cell cell) {
    cell.first = count();
    cells_.push_back(cell);
  }

  Status check_lengths() const {
    for (const Cell& cell : cells_) {
      if (cell.condition != Condition::full) continue;
      const AskedTask& asked = tasks_[cell.task];
      const RulerDraft draft = draft_of(cell.task, cell.length, 0);
      const std::uint64_t needed = encode(asked, draft, draft.context(draft.least)).size();
      if (needed + asked.task->max_new_tokens > cell.length) return too_short(*asked.task, cell.length, needed);
    }
    return {};
  }

  RulerDraft draft_of(std::size_t at, std::uint64_t length, std::uint64_t number) const {
    const RulerTask& task = *tasks_[at].task;
    const std::uint64_t seed = sample_seed(options_.seed, task.name, length, number);
    // One example for all samples of a length: they share its tokens.
    const std::uint64_t example_seed = sample_seed(options_.seed, task.name, length, UINT64_MAX);
    const std::uint64_t limit = length - std::min(length, task.max_new_tokens);
    switch (task.kind) {
      case RulerKind::needles:
        return draft_needles(kit_, task, limit, seed);
      case RulerKind::variables:
        return draft_variables(kit_, tasks_[at].wording, limit, seed, example_seed);
      case RulerKind::common_words:
        return draft_common_words(kit_, tasks_[at].wording, length, limit, seed, example_seed);
      case RulerKind::frequent_words:
        return draft_frequent_words(kit_, limit, seed);
      case RulerKind::questions:
        break;
    }
    return draft_questions(kit_, questions_of(task), number, limit, seed);
  }

  SampleOptions options_;
  PromptFrame frame_;
  RulerKit kit_;
  std::vector<AskedTask> tasks_;
  std::vector<Cell> cells_;
  std::vector<std::string> notices_;
  std::uint64_t skipped_ = 0;
};

}  // namespace

Result<std::unique_ptr<SampleSource>> make_ruler_source(const SampleOptions& options) {
  constexpr std::uint64_t longest = std::uint64_t{1} << 24;
  if (options.lengths.empty()) return fail(ErrorKind::usage, "[eval] ruler: --lengths is missing, expected tokens");
  for (const std::uint64_t length : options.lengths)
    if (length == 0 || length > longest)
      return fail(ErrorKind::usage, "[eval] ruler: length {}, expected 1 … {}", length, longest);
  TOME_ASSIGN(PromptFrame frame, PromptFrame::create(*options.tokenizer));
  SampleOptions distinct = options;
  distinct.lengths = without_repeats(options.lengths);
  distinct.tasks = without_repeats(options.tasks);
  auto source = std::make_unique<RulerSource>(std::move(distinct), std::move(frame));
  TOME_TRY(source->prepare());
  return source;
}

}  // namespace tome
