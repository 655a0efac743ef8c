// `tome ask FILE… QUESTION`: the main job (runtime/ask.h), rendered.
#include <filesystem>

#include "base/mapped_file.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/flags.h"
#include "hub/hub.h"
#include "runtime/ask.h"
#include "runtime/snapshot_cache.h"

namespace tome::cli {
namespace {

struct AskFlags {
  ModelFlags model;
  SamplingFlags sampling;
  std::vector<std::string> words;
  std::string questions_file, strategy = "auto", answer_model, evidence_by = "heads", form = "auto";
  std::string cache_directory, context, progress = "auto";
  std::size_t evidence = 5, passages = 8;
  std::uint64_t reread_tokens = 1500, answer_tokens = 96;
  double cache_limit_gib = 8, floor = 0.3;
  bool no_cache = false, subtract_empty = false, json = false, quiet = false;
};

/// What the words and --questions say.
struct Task {
  std::vector<std::string> files, questions;
};

Result<Task> read_task(const AskFlags& flags) {
  Task task{flags.words, {}};
  if (!flags.questions_file.empty()) {
    TOME_ASSIGN(const std::string text, read_file(flags.questions_file, 1 << 24));
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      const std::string line = one_line(std::string_view(text).substr(at, end - at), 1 << 20);
      if (!line.empty()) task.questions.push_back(line);
      at = end + 1;
    }
    if (task.questions.empty()) return fail(ErrorKind::usage, "[ask] {}: holds no question", flags.questions_file);
    if (task.files.empty())
      return fail(ErrorKind::usage, "[ask] questions without a document: tome ask FILE… --questions FILE");
    return task;
  }
  if (task.files.empty()) return fail(ErrorKind::usage, "[ask] nothing asked: tome ask FILE… QUESTION");
  std::error_code ignored;
  const std::string question = task.files.back();
  const bool is_file = question == "-" || std::filesystem::exists(question, ignored);
  if (task.files.size() == 1 && !is_file)
    return fail(ErrorKind::usage, "[ask] a question without a document: tome ask FILE… QUESTION");
  if (is_file)
    return fail(ErrorKind::usage, "[ask] '{}' is a file; the question comes last: tome ask FILE… QUESTION", question);
  if (one_line(question, 16).empty()) return fail(ErrorKind::usage, "[ask] the question is empty");
  task.files.pop_back();
  task.questions.push_back(question);
  return task;
}

Result<AskOptions> ask_options(const AskFlags& flags) {
  AskOptions options;
  TOME_TRY(validate(flags.sampling.options));
  TOME_ASSIGN(options.engine, engine_options(flags.model));
  if (!flags.answer_model.empty()) {
    TOME_ASSIGN(options.answer_model, resolve_model(flags.answer_model));
  }
  options.strategy = flags.strategy == "direct"   ? AskStrategy::direct
                     : flags.strategy == "reread" ? AskStrategy::reread
                     : flags.strategy == "skim"   ? AskStrategy::skim
                                                  : AskStrategy::automatic;
  options.evidence = flags.evidence_by == "bm25" ? EvidenceSource::bm25 : EvidenceSource::heads;
  if (flags.form == "chat") options.form = PromptForm::chat;
  if (flags.form == "continuation") options.form = PromptForm::continuation;
  options.subtract_empty_question = flags.subtract_empty;
  options.reread_passages = flags.passages;
  options.reread_floor = flags.floor;
  options.reread_tokens = flags.reread_tokens;
  options.max_answer_tokens = flags.answer_tokens;
  options.sampling = flags.sampling.options;
  options.stop = flags.sampling.stop;
  if (!flags.context.empty()) {
    TOME_ASSIGN(options.context_limit, token_count("-c", flags.context));
  }
  if (!flags.no_cache)
    options.cache_directory =
        flags.cache_directory.empty() ? SnapshotCache::default_directory() : flags.cache_directory;
  options.cache_limit = static_cast<std::uint64_t>(flags.cache_limit_gib * 0x1p30);
  if (!flags.cache_directory.empty()) options.cache_from_tokens = 0;  // asked for by name: whatever the length
  TOME_ASSIGN(const ProgressStyle style, progress_style(flags.progress));
  if (!flags.quiet) {
    options.progress = make_progress(style, "tokens");
    options.notice = print_notice;
  }
  return options;
}

std::string model_name(const Engine& engine) {
  return std::filesystem::path(engine.options().model).filename().string();
}

/// The readable form of a passage: widened to its sentences, on a few lines.
std::string render_evidence(const DocumentReader& reader, const Answer& answer, std::size_t count) {
  if (answer.ranking.empty()) return "";
  std::string text;
  for (std::size_t rank = 0; rank < std::min(count, answer.ranking.size()); ++rank) {
    const Passage& passage = answer.ranking[rank];
    const std::vector<Excerpt> excerpts = make_excerpts(reader.document(), std::span(&passage, 1));
    if (excerpts.empty()) continue;
    const std::string_view shown = trimmed_text(reader.document(), excerpts[0].begin, excerpts[0].end);
    const auto begin = static_cast<std::uint64_t>(shown.data() - reader.document().text().data());
    text +=
        fmt::format("{:>3}. {}  {:.1f} %\n     {}\n", rank + 1, reader.document().describe(begin, begin + shown.size()),
                    100.0 * passage.share, one_line(printable(shown), 480));
  }
  return text;
}

std::string render_ranking_title(const DocumentReader& reader, const AskFlags& flags) {
  if (flags.evidence_by == "bm25") return "Passages by BM25 (share of the scores):\n";
  return fmt::format("Passages that the model points at ({}; share of its attention to the document):\n",
                     describe_heads(*reader.heads()));
}

std::string render_answer_title(const DocumentReader& reader, const Answer& answer) {
  if (answer.strategy == AskStrategy::direct)
    return fmt::format("Answer ({}, directly after the whole document):\n", model_name(reader.answer_engine()));
  std::string places;
  for (const Excerpt& excerpt : answer.given) {
    const std::string_view shown = trimmed_text(reader.document(), excerpt.begin, excerpt.end);
    const auto begin = static_cast<std::uint64_t>(shown.data() - reader.document().text().data());
    std::string place = reader.document().describe(begin, begin + shown.size());
    // The file's name once is enough when there is one file.
    if (reader.document().parts().size() == 1 && !places.empty()) place = place.substr(place.rfind(':') + 1);
    places += (places.empty() ? "" : ", ") + place;
  }
  return fmt::format("Answer ({}, re-reading {} tokens: {}):\n", model_name(reader.answer_engine()),
                     answer.prompt_tokens, places);
}

std::string render_stages(const DocumentReader& reader, const std::vector<AskStage>& stages) {
  std::string text = "Where the time and memory went:\n";
  double total = 0;
  for (const AskStage& stage : stages) {
    total += stage.seconds;
    text += fmt::format("  {:<26} {:>12}", stage.name, human_seconds(stage.seconds));
    if (stage.tokens > 0) {
      text += fmt::format("  {:>9} tokens", with_commas(stage.tokens));
      if (stage.seconds > 0)
        text += fmt::format("  {:.0f} tokens/s", static_cast<double>(stage.tokens) / stage.seconds);
    }
    text += "\n";
  }
  text += fmt::format("  {:<26} {:>12}\n", "in all", human_seconds(total));
  text += fmt::format("  keys and values {}, model file {}, peak resident {}\n", human_bytes(reader.session_bytes()),
                      human_bytes(reader.engine().model().file_bytes), human_bytes(peak_resident_bytes()));
  return text;
}

Json place_json(const Document& document, std::uint64_t begin, std::uint64_t end) {
  const Document::Place first = document.place(begin);
  const Document::Place last = document.place(end > begin ? end - 1 : begin);
  const Document::Part& part = document.parts()[first.part];
  return {{"file", part.name},
          {"begin", std::max(begin, part.begin) - part.begin},
          {"end", std::clamp(end, part.begin, part.end) - part.begin},
          {"first_line", first.line},
          {"last_line", last.part == first.part ? last.line : part.line_starts.size()},
          {"text", document.text().substr(begin, end - begin)}};
}

Json stages_json(const std::vector<AskStage>& stages) {
  Json list = Json::array();
  for (const AskStage& stage : stages)
    list.push_back({{"stage", stage.name}, {"seconds", stage.seconds}, {"tokens", stage.tokens}});
  return list;
}

Json answer_json(const DocumentReader& reader, const Answer& answer, const AskFlags& flags) {
  Json evidence = Json::array();
  for (std::size_t rank = 0; rank < std::min(flags.evidence, answer.ranking.size()); ++rank) {
    const Passage& passage = answer.ranking[rank];
    Json entry = place_json(reader.document(), passage.begin, passage.end);
    entry.update({{"rank", rank + 1}, {"passage", passage.index}, {"score", passage.score}, {"share", passage.share}});
    evidence.push_back(std::move(entry));
  }
  Json given = Json::array();
  for (const Excerpt& excerpt : answer.given) {
    Json entry = place_json(reader.document(), excerpt.begin, excerpt.end);
    entry.update({{"rank", excerpt.rank}, {"share", excerpt.share}});
    given.push_back(std::move(entry));
  }
  Json heads = Json::array();
  if (reader.heads() && flags.evidence_by == "heads")
    for (const HeadId& head : reader.heads()->heads)
      heads.push_back({{"layer", head.layer}, {"head", head.head}, {"weight", head.weight}});
  const PositionPlan& plan = reader.engine().positions();
  Json stages = stages_json(reader.stages());
  for (Json& stage : stages_json(answer.stages)) stages.push_back(std::move(stage));
  return {{"question", answer.question},
          {"answer", answer.generated.text},
          {"stop", stop_reason_name(answer.generated.reason)},
          {"strategy", ask_strategy_name(answer.strategy)},
          {"model", model_name(reader.engine())},
          {"answer_model", model_name(reader.answer_engine())},
          {"prompt_form", prompt_form_name(reader.answer_form())},
          {"prompt_tokens", answer.prompt_tokens},
          {"document_tokens", reader.document_tokens()},
          {"positions",
           {{"method", scaling_method_name(plan.method)},
            {"factor", plan.factor},
            {"origin", plan.origin},
            {"fingerprint", plan.fingerprint()}}},
          {"from_snapshot", reader.read_from_cache()},
          {"evidence_by", answer.ranking.empty() ? Json() : Json(flags.evidence_by)},
          {"heads", std::move(heads)},
          {"passages", answer.ranking.size()},
          {"evidence", std::move(evidence)},
          {"given", std::move(given)},
          {"stages", std::move(stages)},
          {"kv_bytes", reader.session_bytes()},
          {"peak_resident_bytes", peak_resident_bytes()}};
}

/// Of the reading, which all questions share, the report of the first one tells.
Status ask_in_text(DocumentReader& reader, const std::vector<std::string>& questions, std::size_t index,
                   const AskFlags& flags) {
  const std::string& question = questions[index];
  const bool alone = questions.size() == 1;
  const auto on_ranking = [&](const Answer& answer) {
    clear_progress();
    std::string text;
    if (!alone) text += fmt::format("Question: {}\n\n", printable(question));
    if (!answer.ranking.empty())
      text += render_ranking_title(reader, flags) + render_evidence(reader, answer, flags.evidence) + "\n";
    else
      text += "No passages: this model's evidence heads are not known (`tome calibrate heads` finds them).\n\n";
    static_cast<void>(print(text + render_answer_title(reader, answer) + "  "));
  };
  const auto on_text = [](std::string_view piece) { static_cast<void>(print(printable(piece))); };
  TOME_ASSIGN(const Answer answer, reader.ask(question, on_ranking, on_text));
  TOME_TRY(print(answer.generated.text.empty() ? "(no answer)\n" : "\n"));
  if (answer.generated.reason == StopReason::cancelled) return fail(ErrorKind::cancelled, "interrupted");
  if (!alone) TOME_TRY(print("\n"));
  if (flags.quiet) return {};
  std::vector<AskStage> stages;
  if (index == 0) stages = reader.stages();
  stages.insert(stages.end(), answer.stages.begin(), answer.stages.end());
  std::fprintf(stderr, "\n%s", render_stages(reader, stages).c_str());
  return {};
}

Status run_ask(const AskFlags& flags) {
  TOME_ASSIGN(const Task task, read_task(flags));
  TOME_ASSIGN(Document document, Document::load(task.files));
  TOME_ASSIGN(AskOptions options, ask_options(flags));
  TOME_ASSIGN(const auto reader, DocumentReader::open(std::move(options), std::move(document), task.questions));
  for (std::size_t index = 0; index < task.questions.size(); ++index) {
    if (!flags.json) {
      TOME_TRY(ask_in_text(*reader, task.questions, index, flags));
      continue;
    }
    TOME_ASSIGN(const Answer answer, reader->ask(task.questions[index]));
    if (answer.generated.reason == StopReason::cancelled) return fail(ErrorKind::cancelled, "interrupted");
    TOME_TRY(print(json_text(answer_json(*reader, answer, flags), task.questions.size() > 1 ? -1 : 2)));
  }
  return {};
}

}  // namespace

Command add_ask(CLI::App& program) {
  const auto flags = std::make_shared<AskFlags>();
  CLI::App* app = program.add_subcommand("ask", "ask a question of documents of any length");
  app->add_option("FILE… QUESTION", flags->words, "documents (- is standard input), then the question");
  add_model_flags(*app, flags->model);
  app->add_option(
         "--strategy", flags->strategy,
         "direct, reread, skim (read only as deep as the evidence heads need), or auto: reread from 4K tokens on")
      ->check(CLI::IsMember({"direct", "reread", "skim", "auto"}))
      ->capture_default_str();
  app->add_option("--answer-model", flags->answer_model,
                  "the model that answers from the passages (default: the reading one)");
  app->add_option("--evidence", flags->evidence, "passages to show")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  app->add_option("--evidence-by", flags->evidence_by, "rank passages by the model's heads, or by bm25")
      ->check(CLI::IsMember({"heads", "bm25"}))
      ->capture_default_str();
  app->add_flag("--subtract-empty-question", flags->subtract_empty, "passage scores less those of the question N/A");
  app->add_option("--passages", flags->passages, "passages to re-read")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app->add_option("--passage-floor", flags->floor, "re-read no passage that scores less than this part of the best")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app->add_option("--reread-tokens", flags->reread_tokens, "re-read at most so many tokens")
      ->check(CLI::Range(64, 1 << 20))
      ->capture_default_str();
  app->add_option("--questions", flags->questions_file,
                  "a file of questions, one a line: all words are documents then");
  app->add_option("--prompt-form", flags->form, "auto, continuation (base models) or chat (the model's template)")
      ->check(CLI::IsMember({"auto", "continuation", "chat"}))
      ->capture_default_str();
  app->add_option("-n,--predict", flags->answer_tokens, "tokens an answer may have")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app->add_option("-c,--ctx-size", flags->context, "refuse what needs more tokens than this");
  app->add_option("--cache", flags->cache_directory,
                  "folder of snapshots (default: the user's cache, from 4K tokens on)");
  app->add_option("--cache-limit", flags->cache_limit_gib, "GiB that the folder may hold")
      ->check(CLI::Range(0.0, 1048576.0))
      ->capture_default_str();
  app->add_flag("--no-cache", flags->no_cache, "keep no snapshot and use none");
  add_sampling_flags(*app, flags->sampling);
  app->add_option("--progress", flags->progress, "auto (on a terminal), always or never")->capture_default_str();
  app->add_flag("-q,--quiet", flags->quiet, "the answer and its evidence only");
  app->add_flag("--json", flags->json, "one JSON object a question, with offsets and scores");
  app->footer(
      "Example:\n"
      "  tome ask fhs-3.0.txt \"Where should site-specific data served by this system be kept?\"\n"
      "  zcat policy.txt.gz | tome ask - \"How long may a package's short description be?\"");
  return {app, [flags] { return run_ask(*flags); }};
}

}  // namespace tome::cli
