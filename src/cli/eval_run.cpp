#include "cli/eval_run.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/cpu_features.h"
#include "base/digest.h"
#include "base/mapped_file.h"
#include "cli/console.h"
#include "cli/eval_tables.h"
#include "evaluation/budget.h"
#include "evaluation/perplexity.h"
#include "evaluation/report.h"
#include "evaluation/runner.h"
#include "evaluation/sources.h"
#include "evaluation/suite_list.h"
#include "evaluation/summarize.h"
#include "hub/hub.h"

namespace tome::cli {
namespace {

constexpr std::uint64_t kMostSamples = 1000000, kLeastLength = 16, kMostLength = std::uint64_t{1} << 24;

bool is_grid(Suite suite) { return suite == Suite::niah || suite == Suite::cue; }
bool has_lengths(Suite suite) { return is_grid(suite) || suite == Suite::ruler || suite == Suite::perplexity; }

Result<std::vector<double>> depths_of(const std::string& text) {
  std::vector<double> depths;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string entry = text.substr(at, comma - at);
    char* end = nullptr;
    const double depth = std::strtod(entry.c_str(), &end);
    if (entry.empty() || *end != '\0' || !(depth >= 0 && depth <= 100))
      return fail(ErrorKind::usage, "--depths '{}': expected numbers from 0 to 100 with commas", text);
    depths.push_back(depth);
    at = comma + 1;
  }
  std::sort(depths.begin(), depths.end());  // a shared beginning is read once
  depths.erase(std::unique(depths.begin(), depths.end()), depths.end());
  return depths;
}

/// Names a file's or a folder's content, without what lies in the run's own folder.
Result<Json> content_of(const std::vector<std::string>& paths, const std::string& out) {
  Json contents = Json::array();
  for (const std::string& path : paths) {
    std::vector<std::filesystem::path> files;
    std::error_code failed;
    if (std::filesystem::is_directory(path, failed)) {
      const std::string own = std::filesystem::weakly_canonical(out, failed).string() + "/";
      for (std::filesystem::recursive_directory_iterator entry(path, failed), end; !failed && entry != end;
           entry.increment(failed)) {
        const std::string name = std::filesystem::weakly_canonical(entry->path(), failed).string();
        if (entry->is_regular_file(failed) && !name.starts_with(own)) files.push_back(entry->path());
      }
      std::sort(files.begin(), files.end());
    } else {
      files.push_back(path);
    }
    Sha256 digest;
    for (const auto& file : files) {
      TOME_ASSIGN(const auto mapped, MappedFile::open(file.string()));
      digest.update(fmt::format("{}\n{}\n", file.filename().string(), mapped->bytes().size()));
      digest.update(mapped->bytes());
    }
    contents.push_back({{"name", std::filesystem::path(path).filename().string()}, {"sha256", digest.hex()}});
  }
  return contents;
}

/// "models/foo-1.7B.gguf" → "foo-1.7B".
std::string model_name(const std::string& model) {
  const std::filesystem::path path = std::filesystem::path(model + "/").parent_path();
  return path.extension() == ".gguf" ? path.stem().string() : path.filename().string();
}

std::string scaling_of(const ModelFlags& model) {
  return model.positions.scaling + (model.positions.factor ? fmt::format(" × {:g}", *model.positions.factor) : "");
}

Result<Json> settings_of(const EvalFlags& flags, Suite suite, const Engine& engine, const SampleOptions& samples) {
  TOME_ASSIGN(const Json data, content_of(flags.data, flags.out));
  TOME_ASSIGN(const Json haystack, content_of(flags.haystack, flags.out));
  TOME_ASSIGN(const Json prompts,
              content_of(flags.prompts.empty() ? std::vector<std::string>{} : std::vector<std::string>{flags.prompts},
                         flags.out));
  Sha256 chat_template;
  chat_template.update(engine.tokenizer().spec().chat_template);
  const ModelFlags& m = flags.model;
  const PositionFlags& p = m.positions;
  const auto number = [](const auto& value) { return value ? Json(*value) : Json(); };
  std::string attention;
  for (const std::string& one : m.attention) attention += (attention.empty() ? "" : " ") + one;
  return Json{{"suite", suite_name(suite)},
              {"tome", "0.1.0"},
              {"instruction_set", isa_name(active_isa())},
              {"model", m.model},
              {"model_fingerprint", engine.model().fingerprint},
              {"kv_type", dtype_name(engine.options().kv_type)},
              {"precision", m.precision},
              {"attention", attention.empty() ? "full" : attention},
              {"attention_precision", m.attention_precision},
              {"chunk", m.chunk},
              {"rope_scaling", scaling_of(m)},
              {"rope_factor", number(p.factor)},
              {"rope_theta", number(p.theta)},
              {"chat_template", chat_template.hex()},
              {"rope_details",
               Json::array({number(p.ntk_alpha), number(p.beta_fast), number(p.beta_slow), number(p.attention_factor),
                            number(p.group), number(p.neighbour_window), p.original_context, p.temperature})},
              {"lengths", samples.lengths},
              {"depths", samples.depths},
              {"samples", samples.samples},
              {"seed", samples.seed},
              {"needles", samples.needles},
              {"needle_form", samples.needle_form},
              {"tasks", samples.tasks},
              {"max_input", samples.max_input},
              {"baselines", samples.baselines},
              {"data", data},
              {"haystack", haystack},
              {"prompts", prompts}};
}

Result<SampleOptions> sample_options(const EvalFlags& flags, Suite suite, const Engine& engine) {
  SampleOptions options;
  options.tokenizer = &engine.tokenizer();
  options.data = flags.data;
  options.haystack = flags.haystack;
  options.tasks = flags.tasks;
  options.seed = flags.seed;
  options.needles = flags.needles;
  options.needle_form = flags.needle_form;
  options.baselines = !flags.no_baselines;
  options.prompts = flags.prompts;
  options.samples = flags.samples.value_or(has_lengths(suite) && suite != Suite::perplexity ? 3 : 0);
  const std::uint64_t reach = native_reach(engine.model().config);
  if (!flags.lengths.empty()) {
    TOME_ASSIGN(options.lengths, token_counts("--lengths", flags.lengths));
  } else if (has_lengths(suite)) {
    options.lengths = {reach / 8, reach / 4, reach / 2, reach};
  }
  for (const std::uint64_t length : options.lengths)
    if (length < kLeastLength || length > kMostLength)
      return fail(ErrorKind::usage, "--lengths {}: expected {} to {} tokens", length, kLeastLength, kMostLength);
  std::sort(options.lengths.begin(), options.lengths.end());
  options.lengths.erase(std::unique(options.lengths.begin(), options.lengths.end()), options.lengths.end());
  if (is_grid(suite)) {
    TOME_ASSIGN(options.depths, depths_of(flags.depths.empty() ? "0,25,50,75,100" : flags.depths));
  } else if (!flags.depths.empty()) {
    TOME_ASSIGN(options.depths, depths_of(flags.depths));
  }
  if (!flags.max_input.empty()) {
    TOME_ASSIGN(options.max_input, token_count("--max-input", flags.max_input));
  } else if (!has_lengths(suite)) {
    options.max_input = reach > 4096 ? reach - 1536 : reach;  // the trained window, less a template and most answers
  }
  return options;
}

/// How many samples a cell (or a task) fit into the time: those of run.json when the run is gone on with.
Status choose_samples(const EvalFlags& flags, Suite suite, Engine& engine, SampleOptions& options) {
  if (flags.budget.empty()) return {};
  if (flags.samples) return fail(ErrorKind::usage, "--budget and --samples: give one of them");
  if (suite == Suite::perplexity) return fail(ErrorKind::usage, "--budget: not for perplexity, say --samples");
  TOME_ASSIGN(const double budget, seconds_of("--budget", flags.budget));
  const std::string settings = (std::filesystem::path(flags.out) / "run.json").string();
  if (std::filesystem::exists(settings)) {
    TOME_ASSIGN(const std::string text, read_file(settings, std::uint64_t{1} << 24));
    TOME_ASSIGN(const Json found, parse_json(text, settings));
    if (found.is_object() && found.value("samples", Json()).is_number_unsigned()) {
      options.samples = found["samples"].get<std::uint64_t>();
      return {};
    }
  }
  options.samples = 1;
  TOME_ASSIGN(const auto one, make_source(suite, options));
  const std::uint64_t longest =
      options.lengths.empty() ? 4096 : *std::max_element(options.lengths.begin(), options.lengths.end());
  TOME_ASSIGN(const ReadingCost cost, measure_reading(engine, longest));
  TOME_ASSIGN(const double each, estimated_seconds(*one, cost));
  if (each > budget)
    return fail(ErrorKind::usage, "--budget {}: one sample a cell takes about {}: give fewer --lengths or --depths",
                flags.budget, human_seconds(each));
  options.samples = static_cast<std::uint64_t>(std::min(1e6, budget / std::max(each, 1e-3)));
  const double n = static_cast<double>(options.samples);
  const Interval half = wilson_interval(n / 2, n);
  print_notice(
      fmt::format("--budget {}: {} samples a cell (one takes about {}); an interval at 50 % is {:.0f} to {:.0f} %",
                  flags.budget, options.samples, human_seconds(each), 100 * half.low, 100 * half.high));
  return {};
}

Status write_outcome(const std::string& folder, const RunSummary& summary) {
  const auto path = [&](const std::string& name) { return (std::filesystem::path(folder) / name).string(); };
  TOME_TRY(write_file_atomically(path("summary.json"), json_text(to_json(summary)) + "\n"));
  for (const auto& [name, svg] : report_plots({&summary, 1}, {}))
    TOME_TRY(write_file_atomically(path(name + ".svg"), svg));
  return write_file_atomically(path("report.html"), report_html({&summary, 1}, {}));
}

/// For run.json: a file of bad lines has a notice each.
std::vector<std::string> first_of(std::vector<std::string> notices) {
  constexpr std::size_t most = 20;
  if (notices.size() <= most) return notices;
  const std::size_t more = notices.size() - most;
  notices.resize(most);
  notices.push_back(fmt::format("… and {} more", more));
  return notices;
}

Result<RunTotals> ask_all(const EvalFlags& flags, Suite suite, Engine& engine, SampleOptions& options,
                          std::uint64_t& skipped) {
  TOME_ASSIGN(const ProgressStyle style, progress_style(flags.progress));
  const ProgressFunction progress = make_progress(style, "samples");
  if (suite == Suite::perplexity) {
    if (flags.data.empty()) return fail(ErrorKind::usage, "[eval] perplexity: expected --data TEXT");
    TOME_ASSIGN(const std::uint64_t stride, token_count("--stride", flags.stride));
    TOME_ASSIGN(Json settings, settings_of(flags, suite, engine, options));
    settings["stride"] = stride;
    if (flags.kinds != EvalFlags{}.kinds) settings["kinds"] = flags.kinds;
    TOME_ASSIGN(RunFolder folder, RunFolder::open(flags.out, settings));
    PerplexityOptions reading{
        .files = flags.data, .lengths = options.lengths, .windows = options.samples, .progress = progress};
    reading.stride = stride;
    reading.kinds = list_of(flags.kinds);
    return run_perplexity(engine, folder, reading);
  }
  TOME_TRY(choose_samples(flags, suite, engine, options));
  TOME_ASSIGN(const auto source, make_source(suite, options));
  skipped = source->skipped_lines();
  for (const std::string& notice : source->notices()) print_notice(notice);
  if (source->count() == 0) return fail(ErrorKind::usage, "[eval] {}: no samples", suite_name(suite));
  TOME_ASSIGN(Json settings, settings_of(flags, suite, engine, options));
  settings["sample_count"] = source->count();
  settings["notices"] = first_of(source->notices());
  TOME_ASSIGN(RunFolder folder, RunFolder::open(flags.out, settings));
  if (!folder.finished().empty())
    print_notice(
        fmt::format("{}: going on after {} of {} samples", flags.out, folder.finished().size(), source->count()));
  return run_samples(engine, *source, folder, {.suite = suite, .reuse = !flags.no_reuse, .progress = progress});
}

std::string totals_text(const RunTotals& totals, const std::string& out) {
  std::string text;
  if (totals.samples > 0)
    text =
        fmt::format("{} samples in {}; {} of {} prompt tokens read", with_commas(totals.samples),
                    human_seconds(totals.seconds), with_commas(totals.read_tokens), with_commas(totals.prompt_tokens));
  if (totals.read_tokens < totals.prompt_tokens)
    text += fmt::format(" ({:.0f} % were shared beginnings)",
                        100.0 * static_cast<double>(totals.prompt_tokens - totals.read_tokens) /
                            static_cast<double>(totals.prompt_tokens));
  return text + (text.empty() ? "" : "\n") +
         fmt::format("written: {0}/report.html, summary.json, results.jsonl\n", out);
}

/// --data hf:datasets/…: the suite's files of that data set, fetched (or there already), in its place. The files
/// themselves: what else is fetched into the folder later does not make this another run.
Status fetch_data(EvalFlags& flags, Suite suite) {
  std::vector<std::string> data;
  for (const std::string& name : flags.data) {
    if (!names_data_set(name)) {
      data.push_back(name);
      continue;
    }
    const std::vector<std::string> wanted = suite_files(suite, flags.tasks);
    if (wanted.empty() && !suite_tasks(suite).empty())
      return fail(ErrorKind::usage, "[eval] {}: --data {}: none of the tasks of --task reads a file", suite_name(suite),
                  name);
    TOME_ASSIGN(const ProgressStyle style, progress_style(flags.progress));
    TOME_ASSIGN(const PulledData pulled, pull_data_set(name, wanted, {.progress = make_progress(style, "bytes")}));
    clear_progress();
    if (!pulled.already_there)
      print_notice(fmt::format("{} is in {}{}{}", name, pulled.folder,
                               pulled.licence.empty() ? "" : "; licence: ", printable(pulled.licence)));
    if (pulled.files.empty())
      return fail(ErrorKind::usage, "[eval] {}: {} holds none of the files that it reads", suite_name(suite), name);
    data.insert(data.end(), pulled.files.begin(), pulled.files.end());
  }
  flags.data = std::move(data);
  return {};
}

}  // namespace

Result<double> seconds_of(const std::string& flag, const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  const double factor = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  if (end == text.c_str() || factor == 0 || !(number > 0 && number < 1e6))
    return fail(ErrorKind::usage, "{} '{}': expected a time such as 90s, 10m or 2h", flag, text);
  return number * factor;
}

Status run_eval(const EvalFlags& given, Suite suite) {
  EvalFlags flags = given;
  if (flags.out.empty()) flags.out = fmt::format("tome-eval/{}-{}", suite_name(suite), model_name(flags.model.model));
  TOME_TRY(fetch_data(flags, suite));
  TOME_ASSIGN(EngineOptions options, engine_options(flags.model));
  options.positions.allow_no_op = true;  // a sweep holds lengths that need no scaling
  TOME_ASSIGN(const auto engine, Engine::create(options));
  TOME_ASSIGN(SampleOptions samples, sample_options(flags, suite, *engine));
  std::uint64_t skipped = 0;
  TOME_ASSIGN(const RunTotals totals, ask_all(flags, suite, *engine, samples, skipped));
  clear_progress();
  TOME_ASSIGN(const StoredRun run, read_run(flags.out));
  const RunSummary summary = summarize(run);
  TOME_TRY(write_outcome(flags.out, summary));
  TOME_TRY(
      print(flags.json ? json_text(to_json(summary)) + "\n" : summary_text(summary) + totals_text(totals, flags.out)));
  if (skipped > 0)
    return fail(ErrorKind::format, "[eval] {} lines of the data could not be used; the rest is scored", skipped);
  return {};
}

void add_eval_flags(CLI::App& app, Suite suite, EvalFlags& flags) {
  const bool grid = is_grid(suite);
  if (has_lengths(suite))
    app.add_option("--lengths", flags.lengths,
                   "tokens in all: 4k,8k,32k (default: ⅛, ¼, ½ and all of the trained window)");
  if (grid) {
    app.add_option("--depths", flags.depths, "where the needle lies, percent (default: 0,25,50,75,100)");
    app.add_option("--needles", flags.needles, "needles a text")->capture_default_str();
    app.add_option("--needle-form", flags.needle_form, "number (7 digits) or uuid")->capture_default_str();
  }
  if (suite == Suite::kv_retrieval)
    app.add_option("--depths", flags.depths, "moves the record that is asked for, percent (default: where it is)");
  if (grid || suite == Suite::ruler)
    app.add_option("--haystack", flags.haystack, "text files to hide in (default: text made here; may be repeated)")
        ->allow_extra_args(false);
  if (!grid)
    app.add_option("--data", flags.data,
                   "the benchmark's files, a folder of them, or hf:datasets/owner/name[:file] (may be repeated)")
        ->allow_extra_args(false);
  if (!grid && suite != Suite::perplexity) {
    app.add_option("--task", flags.tasks, "one task of the suite (default: all; may be repeated)")
        ->allow_extra_args(false);
    app.add_option("--prompts", flags.prompts, "a JSON file, task → template, in place of our own wording");
  }
  if (!has_lengths(suite))
    app.add_option("--max-input", flags.max_input,
                   "cut prompts in the middle to so many tokens (default: the trained window)");
  if (suite == Suite::perplexity) {
    app.add_option("--kinds", flags.kinds, "what is measured: disjoint, sliding, gain")->capture_default_str();
    app.add_option("--stride", flags.stride, "of sliding windows, tokens (default: half the window)");
  }
  app.add_option("--samples", flags.samples, "a cell or a task (default: 3 where there is a grid, else all)")
      ->check(CLI::Range(std::uint64_t{1}, kMostSamples));
  app.add_option("--seed", flags.seed, "of everything that is drawn")->capture_default_str();
  app.add_option("--budget", flags.budget, "as many samples as fit: 90s, 10m, 2h");
  app.add_flag("--no-baselines", flags.no_baselines, "without the evidence alone and without no context");
  app.add_flag("--no-reuse", flags.no_reuse, "read shared beginnings again for every sample");
  app.add_option("-o,--out", flags.out,
                 "folder of the run; a run that was stopped goes on (default: tome-eval/SUITE-MODEL)");
  add_model_flags(app, flags.model);
  app.add_option("--progress", flags.progress, "auto (on a terminal), always or never")->capture_default_str();
  app.add_flag("--json", flags.json, "the summary as JSON");
}

}  // namespace tome::cli
