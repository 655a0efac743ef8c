#include "runtime/ask.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "runtime/bm25.h"
#include "runtime/reread.h"
#include "runtime/snapshot_cache.h"

namespace tome {
namespace {

constexpr std::uint64_t reread_from_tokens = 4096;
constexpr std::uint32_t default_passage_length = 64;
constexpr std::uint64_t room_step = 512;  // so that a slightly longer question asks for the same room

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

std::uint64_t round_up(std::uint64_t value, std::uint64_t step) { return (value + step - 1) / step * step; }

}  // namespace

std::string_view ask_strategy_name(AskStrategy strategy) {
  switch (strategy) {
    case AskStrategy::automatic:
      return "auto";
    case AskStrategy::direct:
      return "direct";
    case AskStrategy::reread:
      return "reread";
    case AskStrategy::skim:
      return "skim";
  }
  return "";
}

struct DocumentReader::Parts {
  AskOptions options;
  Document document;
  std::shared_ptr<Engine> engine;
  std::shared_ptr<Engine> answer_engine;
  std::optional<DocumentPrompt> prompt, answer_prompt;
  DocumentPrompt::Text text;
  std::optional<EvidenceHeads> heads;
  std::vector<Passage> passages;              // in document order, unscored
  std::vector<double> empty_question_scores;  // per document token, once computed
  std::uint64_t room = 0;                     // tokens of the reading session
  ReadingDepth depth;                         // of the reading session
  std::unique_ptr<Session> session;           // after the document
  std::vector<AskStage> stages;
  bool from_cache = false;

  void notice(std::string_view line) const {
    if (options.notice) options.notice(line);
  }
  bool can_rank() const { return options.evidence == EvidenceSource::bm25 || heads.has_value(); }
  AskStrategy strategy() const {
    if (options.strategy != AskStrategy::automatic) return options.strategy;
    return text.tokens.size() > reread_from_tokens && can_rank() ? AskStrategy::reread : AskStrategy::direct;
  }
  std::vector<TokenId> document_prefix() const {
    std::vector<TokenId> tokens = prompt->head();
    tokens.insert(tokens.end(), text.tokens.begin(), text.tokens.end());
    return tokens;
  }

  Status decide_positions(std::uint64_t longest_question);
  Status decide_depth();
  Status open_answer_model();
  Status read();
  Result<std::unique_ptr<Session>> read_document(const std::vector<TokenId>& tokens);
  Result<std::vector<double>> head_scores(Session& session, const DocumentPrompt::Question& question);
  Status rank(const std::string& question, Session* session, const DocumentPrompt::Question& prompt_question,
              Answer& answer);
  Status answer_directly(Answer& answer, const std::function<void(const Answer&)>& on_ranking,
                         const std::function<void(std::string_view)>& on_text);
  Status answer_from_rereading(Answer& answer, const std::function<void(const Answer&)>& on_ranking,
                               const std::function<void(std::string_view)>& on_text);
  GenerationOptions generation_options(const DocumentPrompt& form,
                                       const std::function<void(std::string_view)>& on_text) const;
};

Status DocumentReader::Parts::decide_positions(std::uint64_t longest_question) {
  const std::uint64_t window = engine->model().config.context_length;
  const std::uint64_t exact = prompt->head().size() + text.tokens.size() + longest_question + options.max_answer_tokens;
  std::uint64_t needed = round_up(exact, room_step);
  if (exact <= window) needed = std::min(needed, window);  // rounding is no reason to scale
  if (options.context_limit > 0 && exact > options.context_limit)
    return fail(ErrorKind::usage, "[ask] document, question and answer need {} tokens, -c allows {}", exact,
                options.context_limit);
  room = needed;
  TOME_TRY(engine->fit(needed, document_prefix()));
  const PositionPlan& plan = engine->positions();
  const std::string_view method = scaling_method_name(plan.method);
  if (needed > window && plan.method == ScalingMethod::none)
    notice(fmt::format("{} tokens with question and answer, window {}: does not fit, and no scaling was asked for",
                       needed, window));
  else if (needed > window)
    notice(
        fmt::format("{} tokens with question and answer, window {}: does not fit; positions scaled by {} × {:g} ({})",
                    needed, window, method, plan.factor, plan.origin));
  else if (plan.method != ScalingMethod::none)
    notice(fmt::format("{} tokens with question and answer, window {}: positions scaled by {} × {:g} ({})", needed,
                       window, method, plan.factor, plan.origin));
  else
    notice(fmt::format("{} tokens with question and answer, window {}: fits, native positions", needed, window));
  return {};
}

/// A skim goes down to one layer: the one whose evidence heads weigh most.
Status DocumentReader::Parts::decide_depth() {
  if (options.strategy != AskStrategy::skim) return {};
  if (options.evidence != EvidenceSource::heads || !heads)
    return fail(
        ErrorKind::usage, "[ask] --strategy skim: {}",
        heads ? "it ranks passages by heads, not by BM25"
              : "no evidence heads are known for " + options.engine.model + " (run `tome calibrate heads` first)");
  std::map<std::uint32_t, double> weights;
  for (const HeadId& head : heads->heads) weights[head.layer] += head.weight;
  const auto best = std::max_element(weights.begin(), weights.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  if (weights.size() > 1)
    notice(
        fmt::format("skim: only the heads of layer {} of {} layers with evidence heads", best->first, weights.size()));
  std::erase_if(heads->heads, [&](const HeadId& head) { return head.layer != best->first; });
  depth.keys_of = best->first;
  const ModelConfig& config = engine->model().config;
  std::uint32_t whole = 0;
  for (std::uint32_t layer = 0; layer < best->first; ++layer) whole += config.local_layers[layer] ? 0 : 1;
  notice(fmt::format("skim: {} of {} layers, then the keys of layer {}{}", best->first, config.layers, best->first,
                     whole == 0 ? std::string(", all of them local")
                                : fmt::format("; {} that see everything see a window of {} tokens and the first {}",
                                              whole, depth.window, depth.sinks)));
  return {};
}

Status DocumentReader::Parts::open_answer_model() {
  answer_engine = engine;
  answer_prompt = prompt;
  if (options.answer_model.empty() || options.answer_model == options.engine.model) return {};
  const Stopwatch watch;
  EngineOptions answer_options = options.engine;
  answer_options.model = options.answer_model;
  answer_options.positions = {};
  answer_options.automatic_positions = true;
  TOME_ASSIGN(answer_engine, Engine::create(answer_options));
  TOME_ASSIGN(answer_prompt, DocumentPrompt::create(answer_engine->tokenizer(), options.form));
  stages.push_back({"load the answering model", watch.seconds(), 0});
  return {};
}

Result<std::unique_ptr<Session>> DocumentReader::Parts::read_document(const std::vector<TokenId>& tokens) {
  const bool keeps = !options.cache_directory.empty() && tokens.size() >= options.cache_from_tokens;
  const SnapshotCache cache(options.cache_directory, options.cache_limit);
  const std::string key = keeps ? SnapshotCache::key(*engine, tokens, depth) : "";
  if (keeps) {
    if (const auto path = cache.find(key)) {
      const Stopwatch watch;
      auto loaded = Session::load(*engine, *path, room, depth);
      if (loaded && (*loaded)->tokens() == tokens) {
        from_cache = true;
        stages.push_back({"load the snapshot", watch.seconds(), tokens.size()});
        return loaded;
      }
      notice(fmt::format("the document's snapshot cannot be used and is made anew: {}",
                         loaded ? "other tokens" : loaded.error().message));
      cache.remove(key);
    }
  }
  TOME_ASSIGN(std::unique_ptr<Session> made, engine->new_session(room, depth));
  const Stopwatch watch;
  TOME_TRY(made->prefill(tokens, options.progress));
  stages.push_back({depth.keys_of ? "skim the document" : "read the document", watch.seconds(), tokens.size()});
  if (keeps) {
    const Stopwatch saving;
    if (const Status kept = cache.keep(key, *made, engine->kv_bytes(tokens.size(), depth)); !kept)
      notice(fmt::format("the snapshot was not kept: {}", kept.error().message));
    else
      stages.push_back({"keep the snapshot", saving.seconds(), 0});
  }
  return made;
}

Status DocumentReader::Parts::read() {
  if (session) return {};
  TOME_ASSIGN(session, read_document(document_prefix()));
  return {};
}

Result<std::vector<double>> DocumentReader::Parts::head_scores(Session& asked,
                                                               const DocumentPrompt::Question& question) {
  TOME_ASSIGN(const auto per_head,
              asked.prefill_with_head_evidence(question.tokens, question.first_row, question.last_row, heads->heads));
  std::vector<double> scores(text.tokens.size(), 0.0);
  const std::size_t first = prompt->head().size();
  for (std::size_t head = 0; head < per_head.size(); ++head)
    for (std::size_t token = 0; token < scores.size(); ++token)
      scores[token] += heads->heads[head].weight * static_cast<double>(per_head[head][first + token]);
  return scores;
}

Status DocumentReader::Parts::rank(const std::string& question, Session* asked,
                                   const DocumentPrompt::Question& prompt_question, Answer& answer) {
  answer.ranking = passages;
  if (options.evidence == EvidenceSource::bm25) {
    std::vector<std::string_view> texts;
    for (const Passage& passage : passages)
      texts.push_back(std::string_view(document.text()).substr(passage.begin, passage.end - passage.begin));
    const std::vector<double> scores = bm25_scores(texts, question);
    for (std::size_t index = 0; index < scores.size(); ++index) answer.ranking[index].score = scores[index];
    set_shares(answer.ranking);
  } else {
    TOME_ASSIGN(std::vector<double> scores, head_scores(*asked, prompt_question));
    if (options.subtract_empty_question) {
      if (empty_question_scores.empty()) {
        const std::unique_ptr<Session> empty = session->fork();
        TOME_ASSIGN(empty_question_scores, head_scores(*empty, prompt->question("N/A")));
      }
      for (std::size_t token = 0; token < scores.size(); ++token) scores[token] -= empty_question_scores[token];
    }
    score_passages(answer.ranking, scores);
  }
  answer.ranking = rank_passages(std::move(answer.ranking));
  return {};
}

GenerationOptions DocumentReader::Parts::generation_options(
    const DocumentPrompt& form, const std::function<void(std::string_view)>& on_text) const {
  GenerationOptions generation{.max_tokens = options.max_answer_tokens,
                               .sampling = options.sampling,
                               .stop = form.stops(),
                               .skip_leading_space = true,
                               .on_text = on_text};
  generation.stop.insert(generation.stop.end(), options.stop.begin(), options.stop.end());
  return generation;
}

Status DocumentReader::Parts::answer_directly(Answer& answer, const std::function<void(const Answer&)>& on_ranking,
                                              const std::function<void(std::string_view)>& on_text) {
  TOME_TRY(read());
  const DocumentPrompt::Question question = prompt->question(answer.question);
  const std::unique_ptr<Session> asked = session->fork();
  const Stopwatch pointing;
  const bool by_heads = options.evidence == EvidenceSource::heads && heads.has_value();
  if (can_rank()) TOME_TRY(rank(answer.question, asked.get(), question, answer));
  if (!by_heads) TOME_TRY(asked->prefill(question.tokens));
  answer.stages.push_back({"take the question in", pointing.seconds(), question.tokens.size()});
  answer.prompt_tokens = asked->length();
  if (on_ranking) on_ranking(answer);
  TOME_ASSIGN(answer.generated, generate(*asked, engine->tokenizer(), generation_options(*prompt, on_text)));
  answer.stages.push_back({"answer", answer.generated.seconds, answer.generated.tokens.size()});
  return {};
}

Status DocumentReader::Parts::answer_from_rereading(Answer& answer,
                                                    const std::function<void(const Answer&)>& on_ranking,
                                                    const std::function<void(std::string_view)>& on_text) {
  const DocumentPrompt::Question question = prompt->question(answer.question);
  std::unique_ptr<Session> asked;
  if (options.evidence == EvidenceSource::heads) {
    TOME_TRY(read());
    asked = session->fork();
  }
  const Stopwatch pointing;
  TOME_TRY(rank(answer.question, asked.get(), question, answer));
  answer.stages.push_back({"point at passages", pointing.seconds(), question.tokens.size()});
  asked.reset();
  const Tokenizer& tokenizer = answer_engine->tokenizer();
  std::size_t count = std::min(options.reread_passages, answer.ranking.size());
  while (count > 1 && answer.ranking[count - 1].score < options.reread_floor * answer.ranking[0].score) --count;
  const RereadText again = make_reread_text(
      document, std::span(answer.ranking).first(count), options.reread_tokens,
      [&](std::string_view piece) { return tokenizer.encode(piece, AddSpecial::no, ParseSpecial::no).size(); });
  answer.given = again.excerpts;
  std::vector<TokenId> tokens = answer_prompt->head();
  const DocumentPrompt::Text text_again = answer_prompt->text(again.text);
  const DocumentPrompt::Question question_again = answer_prompt->question(answer.question);
  tokens.insert(tokens.end(), text_again.tokens.begin(), text_again.tokens.end());
  tokens.insert(tokens.end(), question_again.tokens.begin(), question_again.tokens.end());
  answer.prompt_tokens = tokens.size();
  if (on_ranking) on_ranking(answer);

  const Stopwatch rereading;
  const std::uint64_t room_again = tokens.size() + options.max_answer_tokens;
  TOME_TRY(answer_engine->fit(room_again, tokens));
  TOME_ASSIGN(const std::unique_ptr<Session> fresh, answer_engine->new_session(room_again));
  TOME_TRY(fresh->prefill(tokens));
  answer.stages.push_back({"re-read the passages", rereading.seconds(), tokens.size()});
  TOME_ASSIGN(answer.generated, generate(*fresh, tokenizer, generation_options(*answer_prompt, on_text)));
  answer.stages.push_back({"answer", answer.generated.seconds, answer.generated.tokens.size()});
  if (answer_engine == engine) TOME_TRY(engine->fit(room, document_prefix()));
  return {};
}

DocumentReader::DocumentReader() : parts_(std::make_unique<Parts>()) {}
DocumentReader::~DocumentReader() = default;

Result<std::unique_ptr<DocumentReader>> DocumentReader::open(AskOptions options, Document document,
                                                             const std::vector<std::string>& questions) {
  std::unique_ptr<DocumentReader> reader(new DocumentReader());
  Parts& parts = *reader->parts_;
  parts.options = std::move(options);
  parts.document = std::move(document);
  const Stopwatch loading;
  TOME_ASSIGN(parts.engine, Engine::create(parts.options.engine));
  parts.stages.push_back({"load the model", loading.seconds(), 0});
  TOME_ASSIGN(parts.heads, find_evidence_heads(parts.engine->model()));
  TOME_ASSIGN(parts.prompt, DocumentPrompt::create(parts.engine->tokenizer(), parts.options.form));
  const Stopwatch tokenizing;
  parts.text = parts.prompt->text(parts.document.text());
  parts.stages.push_back({"tokenize", tokenizing.seconds(), parts.text.tokens.size()});
  parts.passages = cut_passages(parts.text.offsets, parts.heads ? parts.heads->passage_length : default_passage_length);
  if (parts.options.strategy == AskStrategy::reread && !parts.can_rank())
    return fail(ErrorKind::usage,
                "[ask] --strategy reread: no evidence heads are known for {} (run `tome calibrate heads` first)",
                parts.options.engine.model);
  std::uint64_t longest = parts.prompt->question("N/A").tokens.size();
  for (const std::string& question : questions)
    longest = std::max<std::uint64_t>(longest, parts.prompt->question(question).tokens.size());
  TOME_TRY(parts.decide_positions(longest));
  TOME_TRY(parts.decide_depth());
  TOME_TRY(parts.open_answer_model());
  return reader;
}

Result<Answer> DocumentReader::ask(const std::string& question, const std::function<void(const Answer&)>& on_ranking,
                                   const std::function<void(std::string_view)>& on_text) {
  Answer answer;
  answer.question = question;
  answer.strategy = parts_->strategy();
  if (answer.strategy != AskStrategy::direct)
    TOME_TRY(parts_->answer_from_rereading(answer, on_ranking, on_text));
  else
    TOME_TRY(parts_->answer_directly(answer, on_ranking, on_text));
  return answer;
}

const Document& DocumentReader::document() const { return parts_->document; }
const Engine& DocumentReader::engine() const { return *parts_->engine; }
const Engine& DocumentReader::answer_engine() const { return *parts_->answer_engine; }
PromptForm DocumentReader::answer_form() const { return parts_->answer_prompt->form(); }
std::uint64_t DocumentReader::document_tokens() const { return parts_->text.tokens.size(); }
std::uint64_t DocumentReader::session_bytes() const { return parts_->engine->kv_bytes(parts_->room, parts_->depth); }
const std::optional<EvidenceHeads>& DocumentReader::heads() const { return parts_->heads; }
const std::vector<AskStage>& DocumentReader::stages() const { return parts_->stages; }
bool DocumentReader::read_from_cache() const { return parts_->from_cache; }

}  // namespace tome
