#include "extend/extend_command.h"

#include <torch/utils.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <chrono>
#include <filesystem>

#include "base/cancel.h"
#include "base/cpu_features.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "base/thread_pool.h"
#include "cli/console.h"
#include "cli/program.h"
#include "extend/adapter_of_training.h"
#include "extend/before_and_after.h"
#include "extend/extend_options.h"
#include "formats/gguf_model_writer.h"
#include "formats/lora_adapter.h"
#include "hub/hub.h"
#include "models/adapted_model.h"

namespace tome::extend {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void add_flags(CLI::App& app, ExtendFlags& flags) {
  app.add_option("-m,--model", flags.model, "a .gguf file, a Hugging Face folder, or a name that `tome pull` knows")
      ->capture_default_str();
  app.add_option("--target", flags.target, "tokens that the model is to read: 64k")->required();
  app.add_option("--data", flags.data, "texts to train on: files and folders")->required();
  app.add_option("-o,--out,--name", flags.out, "folder of the adapter; a run that was stopped goes on")->required();
  app.add_option("--rope-scaling", flags.scaling, "yarn, linear, ntk or none")->capture_default_str();
  app.add_option("--rope-factor", flags.factor, "how many times the window (default: from --target)");
  app.add_option(
         "--samples", flags.samples,
         "skip: short ones whose positions skip up to the target (PoSE); plain: as long as the target; shifted: "
         "the same in shifted groups (S²)")
      ->capture_default_str();
  app.add_option("--length", flags.length, "tokens of a skip-wise or short sample")->capture_default_str();
  app.add_option("--short-share", flags.short_share, "of the samples that keep plain positions and --length tokens")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--train", flags.train, "q, k, v, o, gate, up, down (low rank), norms, embeddings (whole)")
      ->capture_default_str();
  app.add_option("--rank", flags.rank, "of the low-rank changes")->check(CLI::Range(1, 4096))->capture_default_str();
  app.add_option("--alpha", flags.alpha, "their scale is alpha / rank")->capture_default_str();
  app.add_option("--steps", flags.steps)
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 32))
      ->capture_default_str();
  app.add_option("--batch", flags.batch, "samples a step")->check(CLI::Range(1, 65536))->capture_default_str();
  app.add_option("--learning-rate", flags.learning_rate)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--warmup", flags.warmup, "steps")->capture_default_str();
  app.add_option("--held-out", flags.held_out, "share of the texts that training never sees")
      ->check(CLI::Range(0.0, 0.5))
      ->capture_default_str();
  app.add_option("--checkpoint-every", flags.checkpoint_every, "steps")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--merge", flags.merge, "write the extended model into this GGUF file too");
  app.add_option("--type", flags.merge_type, "of the changed tensors in it: f32 or bf16")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  app.add_flag("!--no-eval", flags.evaluate, "train alone: measure nothing before and after");
  app.add_option("--eval-windows", flags.windows, "held-out stretches of the target's length that are measured")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seed", flags.seed, "of everything that is drawn")->capture_default_str();
  app.add_option("-t,--threads", flags.threads, "threads (default: the machine's)")->check(CLI::Range(0, 1024));
  app.add_option("--progress", flags.progress, "auto (on a terminal), always or never")->capture_default_str();
}

std::string digest_of(const TrainingTexts& texts) {
  Sha256 digest;
  digest.update(fmt::format("{}", texts.bos));
  for (const TrainingDocument& document : texts.train) {
    digest.update(fmt::format("\n{}\n", document.tokens.size()));
    digest.update(std::as_bytes(std::span(document.tokens)));
  }
  return digest.hex();
}

/// What a run is of: a checkpoint of another one is refused.
std::string settings_text(const ExtendFlags& flags, const ExtendPlan& plan, const TrainingWeights& weights,
                          const TrainingTexts& texts) {
  nlohmann::ordered_json json = {{"model", weights.file().fingerprint},
                                 {"positions", plan.full.fingerprint()},
                                 {"target", plan.target},
                                 {"samples", flags.samples},
                                 {"length", plan.samples.length},
                                 {"short_share", flags.short_share},
                                 {"train", flags.train},
                                 {"rank", flags.rank},
                                 {"alpha", flags.alpha},
                                 {"steps", flags.steps},
                                 {"batch", flags.batch},
                                 {"learning_rate", flags.learning_rate},
                                 {"warmup", flags.warmup},
                                 {"held_out", flags.held_out},
                                 {"seed", flags.seed},
                                 {"threads", thread_count()},
                                 {"texts", digest_of(texts)}};
  return json.dump(2) + "\n";
}

std::string curve_text(const std::vector<TrainingStep>& history) {
  std::string text = "step,loss,gradient,learning_rate,tokens\n";
  for (const TrainingStep& step : history)
    text += fmt::format("{},{:.6f},{:.6f},{:.8g},{}\n", step.number, step.loss, step.gradient_norm, step.learning_rate,
                        step.tokens);
  return text;
}

/// Trains until the steps are done or Ctrl-C; writes a checkpoint and the curve as it goes.
Status train(Trainer& trainer, const ExtendFlags& flags, cli::ProgressStyle style, const std::string& checkpoint) {
  const ProgressFunction progress = cli::make_progress(style, "steps");
  const std::uint64_t before = trainer.steps_done();
  const auto start = Clock::now();
  const auto keep = [&]() -> Status {
    TOME_TRY(trainer.save(checkpoint));
    return write_file_atomically(flags.out + "/loss.csv", curve_text(trainer.history()));
  };
  while (!trainer.finished()) {
    if (cancel_requested()) {
      TOME_TRY(keep());
      return fail(ErrorKind::cancelled, "interrupted after {} of {} steps: the same command goes on",
                  trainer.steps_done(), flags.steps);
    }
    TOME_ASSIGN(const TrainingStep step, trainer.step());
    const double a_second = static_cast<double>(step.number - before) / seconds_since(start);
    if (progress)
      progress({.what = "training",
                .done = step.number,
                .total = flags.steps,
                .units_per_second = a_second,
                .seconds_left = static_cast<double>(flags.steps - step.number) / a_second});
    if (step.number % flags.checkpoint_every == 0) {
      TOME_TRY(keep());
      if (progress) cli::print_notice(fmt::format("step {}: loss {:.4f}", step.number, step.loss));
    }
  }
  cli::clear_progress();
  return keep();
}

Status extend(const ExtendFlags& flags) {
  TOME_ASSIGN(const cli::ProgressStyle style, cli::progress_style(flags.progress));
  TOME_TRY(check_isa_environment());
  set_thread_count(flags.threads);
  torch::set_num_threads(thread_count());
  TOME_ASSIGN(const std::string path, resolve_model(flags.model));
  TOME_ASSIGN(const auto file, open_model_file(path));
  if (!flags.merge.empty() && !is_gguf(*file))
    return fail(ErrorKind::usage, "--merge: {} is not a GGUF file, expected one: its tokenizer goes along as it is",
                path);
  TOME_ASSIGN(const ExtendPlan plan, plan_extension(flags, file->config));
  TOME_ASSIGN(const auto tokenizer, Tokenizer::create(file->tokenizer));
  TOME_ASSIGN(const TrainingTexts texts, read_training_texts(flags.data, *tokenizer, flags.held_out, flags.seed));
  TOME_ASSIGN(const SampleMaker samples, SampleMaker::create(texts, plan.samples));
  TOME_ASSIGN(TrainingWeights weights, TrainingWeights::load(file));
  TOME_TRY(choose_trainable(flags, weights));
  std::uint64_t trainable = 0;
  for (const torch::Tensor& tensor : weights.trainable()) trainable += static_cast<std::uint64_t>(tensor.numel());
  for (const std::string& note : texts.notes) cli::print_notice(note);
  TOME_TRY(cli::print(fmt::format(
      "{}: {} tokens by {} × {:g}, {} samples of {} tokens\n{} parameters of {} trained, on {} "
      "tokens of {} documents, {} steps\n",
      flags.model, cli::with_commas(plan.target), scaling_method_name(plan.scaling), plan.factor, flags.samples,
      flags.samples == "skip" ? plan.samples.length : plan.target, cli::with_commas(trainable), file->config.name,
      cli::with_commas(texts.tokens()), texts.train.size(), flags.steps)));
  DecoderGradient graph(weights, plan.full, plan.local);
  Trainer trainer(weights, graph, samples, plan.trainer);

  std::error_code error;
  std::filesystem::create_directories(flags.out, error);
  if (error) return fail(ErrorKind::io, "--out {}: {}", flags.out, error.message());
  const std::string settings = settings_text(flags, plan, weights, texts), settings_path = flags.out + "/run.json";
  const std::string checkpoint = flags.out + "/checkpoint.pt";
  if (std::filesystem::exists(settings_path)) {
    TOME_ASSIGN(const std::string earlier, read_file(settings_path, 1 << 20));
    if (earlier != settings)
      return fail(ErrorKind::usage,
                  "--out {}: holds a run with other settings (run.json), expected the same or another folder",
                  flags.out);
  }
  TOME_TRY(write_file_atomically(settings_path, settings));
  if (std::filesystem::exists(checkpoint)) {
    TOME_TRY(trainer.resume(checkpoint));
    cli::print_notice(fmt::format("{}: going on after {} of {} steps", flags.out, trainer.steps_done(), flags.steps));
  }
  bool evaluate = flags.evaluate && flags.held_out > 0.0;
  if (evaluate) {
    TOME_ASSIGN(evaluate, write_held_out(flags, plan, texts, *tokenizer));
    if (!evaluate)
      cli::print_notice(
          "the held-out text is shorter than the target: nothing is measured before and after (--held-out)");
  }
  if (evaluate) TOME_TRY(measure(flags, plan, When::before));
  const auto start = Clock::now();
  const std::uint64_t before = trainer.steps_done();
  const Status trained = train(trainer, flags, style, checkpoint);
  // Ctrl-C leaves a usable adapter too.
  if (trainer.steps_done() > 0) TOME_TRY(save_adapter(flags.out, weights, flags, plan));
  TOME_TRY(trained);
  if (!flags.merge.empty()) {
    TOME_ASSIGN(const LoraAdapter adapter, open_lora_adapter(flags.out, file->config));
    TOME_ASSIGN(const auto merged, adapted_model(file, adapter, *dtype_from_name(flags.merge_type)));
    TOME_TRY(write_gguf_model(flags.merge, *merged));
  }
  std::uint64_t tokens = 0;
  for (std::size_t i = before; i < trainer.history().size(); ++i) tokens += trainer.history()[i].tokens;
  const double seconds = seconds_since(start);
  TOME_TRY(cli::print(fmt::format("trained {} tokens in {} ({:.0f} tokens/s), loss {:.3f} → {:.3f}\nwritten: {}\n",
                                  cli::with_commas(tokens), cli::human_seconds(seconds),
                                  static_cast<double>(tokens) / std::max(seconds, 1e-9), trainer.history().front().loss,
                                  trainer.history().back().loss, flags.out)));
  if (!evaluate) return {};
  TOME_TRY(measure(flags, plan, When::after));
  return compare_before_and_after(flags);
}

}  // namespace

int run(int argc, char** argv) {
  CLI::App app("makes a model read further than it was trained to, by scaled positions and a little training",
               "tome extend");
  app.footer(
      "\nExample:\n  tome extend -m smollm2-135m --target 16k --data books/ -o smollm2-16k\n"
      "  tome ask --adapter smollm2-16k -m smollm2-135m book.txt \"Who is Ishmael?\"");
  ExtendFlags flags;
  add_flags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  cli::stop_on_interrupt();
  try {
    const Status done = extend(flags);
    return done ? 0 : cli::report(done.error());
  } catch (const std::bad_alloc&) {
    return cli::report({ErrorKind::memory, "[memory] the machine has no more memory to give"});
  } catch (const c10::Error& error) {  // torch's own way to say the same, and its mistakes
    return cli::report({ErrorKind::memory, "[training] " + std::string(error.what_without_backtrace())});
  }
}

}  // namespace tome::extend
