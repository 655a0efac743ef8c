#include "extend/extend_command.h"

#include <torch/utils.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <chrono>
#include <filesystem>
#include <optional>

#include "base/cancel.h"
#include "base/cpu_features.h"
#include "base/thread_pool.h"
#include "cli/console.h"
#include "cli/eval_run.h"
#include "cli/program.h"
#include "extend/adapter_of_training.h"
#include "extend/before_and_after.h"
#include "extend/chat_turns.h"
#include "extend/extend_options.h"
#include "extend/longrope_search.h"
#include "extend/run_record.h"
#include "extend/workload.h"
#include "formats/gguf_model_writer.h"
#include "formats/lora_adapter.h"
#include "hub/hub.h"
#include "models/adapted_model.h"
#include "position/extended_config.h"
#include "training/tensor_memory.h"

namespace tome::extend {
namespace {

using Clock = std::chrono::steady_clock;

std::string checkpoint_of(const ExtendFlags& flags) { return flags.out + "/checkpoint.pt"; }

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
  app.add_option("--mix", flags.mix,
                 "retrieval[:SHARE]: so many of the samples (0.3) are generated exercises in finding and copying");
  app.add_option("--train", flags.train, "q, k, v, o, gate, up, down (low rank), norms, embeddings (whole)")
      ->capture_default_str();
  app.add_option("--rank", flags.rank, "of the low-rank changes")->check(CLI::Range(1, 4096))->capture_default_str();
  app.add_option("--alpha", flags.alpha, "their scale is alpha / rank")->capture_default_str();
  app.add_option("--steps", flags.steps, "of the optimiser (default: 200)")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 32));
  app.add_option("--budget", flags.budget, "as many steps as fit, in place of --steps: 20m, 1.5h");
  app.add_option("--batch", flags.batch, "samples a step")->check(CLI::Range(1, 65536))->capture_default_str();
  app.add_option("--learning-rate", flags.learning_rate)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--warmup", flags.warmup, "steps")->capture_default_str();
  app.add_option("--held-out", flags.held_out, "share of the texts that training never sees")
      ->check(CLI::Range(0.0, 0.5))
      ->capture_default_str();
  app.add_option("--checkpoint-every", flags.checkpoint_every, "steps")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--precision", flags.precision,
                 "of matrices that are not trained: f32 (8 bytes a parameter), or bf16 (4, and faster)")
      ->capture_default_str();
  app.add_option("--recompute", flags.recompute,
                 "what is run again for gradients: layers (little memory), nothing (a third less work), or auto")
      ->capture_default_str();
  app.add_option(
      "--search", flags.search,
      "longrope: look for rotary divisors that suit the model before it is trained; --steps 0: search alone");
  app.add_option("--search-population", flags.search_population, "candidates of a generation")
      ->check(CLI::Range(2, 4096))
      ->capture_default_str();
  app.add_option("--search-generations", flags.search_generations)->check(CLI::Range(0, 4096))->capture_default_str();
  app.add_option("--search-samples", flags.search_samples, "that every candidate reads")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--merge", flags.merge, "write the extended model into this GGUF file too");
  app.add_option("--type", flags.merge_type, "of the changed tensors in it: f32 or bf16")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  app.add_flag("!--no-eval", flags.evaluate, "train alone: measure nothing before and after");
  app.add_option("--eval-windows", flags.windows, "stretches of the target's length that are measured")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--eval-data", flags.eval_data, "texts to measure on (default: what was held out)");
  app.add_option("--eval-passkey", flags.eval_passkey,
                 "lengths at which passkeys are hidden: 4k,8k (auto: a quarter, half and all of the target), or none")
      ->capture_default_str();
  app.add_option("--eval-samples", flags.eval_samples, "passkeys for each length and depth")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seed", flags.seed, "of everything that is drawn")->capture_default_str();
  app.add_option("-t,--threads", flags.threads, "threads (default: the machine's)")->check(CLI::Range(0, 1024));
  app.add_option("--progress", flags.progress, "auto (on a terminal), always or never")->capture_default_str();
}

/// What a run works with; samples point into texts.
struct Workplace {
  std::shared_ptr<const ModelFile> file;
  std::shared_ptr<const Tokenizer> tokenizer;
  TrainingTexts texts;
  std::optional<SampleMaker> samples;
  std::optional<TrainingWeights> weights;
};

/// What --merge will need, told before the work. Errors: usage, unsupported.
Status check_merge(const ExtendFlags& flags, const ModelFile& file, const ExtendPlan& plan) {
  if (flags.merge.empty()) return {};
  if (!is_gguf(file))
    return fail(ErrorKind::usage, "--merge: {} is not a GGUF file, expected one: its tokenizer goes along as it is",
                file.path);
  const bool search = !flags.search.empty();
  const std::vector<float> some(search ? file.config.rope_dims / 2 : 0, 1.0f);
  TOME_ASSIGN(const ModelConfig extended,
              extended_config(file.config, search ? ScalingMethod::longrope : plan.scaling, plan.factor, some));
  return check_gguf_positions(extended);
}

/// Errors: those of files, texts and flags.
Status open_workplace(const ExtendFlags& flags, const ExtendPlan& plan, Workplace& place) {
  TOME_ASSIGN(place.tokenizer, Tokenizer::create(place.file->tokenizer));
  TOME_ASSIGN(place.texts, read_training_texts(flags.data, *place.tokenizer, flags.held_out, flags.seed));
  for (const std::string& note : place.texts.notes) cli::print_notice(note);
  std::shared_ptr<const RetrievalExercises> exercises;
  if (plan.samples.retrieval_share > 0.0) {
    TOME_ASSIGN(ChatTurns turns, chat_turns(*place.tokenizer));
    exercises = std::make_shared<RetrievalExercises>(place.tokenizer, std::move(turns));
  }
  TOME_ASSIGN(place.samples, SampleMaker::create(place.texts, plan.samples, exercises));
  TOME_TRY(check_room_for_weights(flags, *place.file));
  TOME_ASSIGN(place.weights, TrainingWeights::load(place.file));
  if (flags.steps != 0) choose_trainable(flags, *place.weights);
  place.weights->freeze_matrices(flags.precision == "bf16", flags.steps == 0 ? Gradients::none : Gradients::through);
  tensor_memory().release_free();  // the matrices as they were
  std::error_code error;
  std::filesystem::create_directories(flags.out, error);
  if (error) return fail(ErrorKind::io, "--out {}: {}", flags.out, error.message());
  return {};
}

/// Trains until the steps are done or Ctrl-C; writes a checkpoint and the curve as it goes. Returns the tokens.
Result<std::uint64_t> train(Trainer& trainer, const ExtendFlags& flags, std::uint64_t steps,
                            const ProgressFunction& progress) {
  const std::uint64_t before = trainer.steps_done();
  const auto start = Clock::now();
  std::uint64_t tokens = 0;
  const auto keep = [&]() -> Status {
    TOME_TRY(trainer.save(checkpoint_of(flags)));
    return write_curve(flags.out, trainer.history());
  };
  while (!trainer.finished()) {
    if (cancel_requested()) {
      TOME_TRY(keep());
      return fail(ErrorKind::cancelled, "interrupted after {} of {} steps: the same command goes on",
                  trainer.steps_done(), steps);
    }
    TOME_ASSIGN(const TrainingStep step, trainer.step());
    tokens += step.tokens;
    const double seconds = seconds_since(start), a_second = static_cast<double>(step.number - before) / seconds;
    if (progress) {
      const std::string what =
          fmt::format("training: loss {:.3f}, {:.0f} tokens/s", step.loss, static_cast<double>(tokens) / seconds);
      progress({.what = what,
                .done = step.number,
                .total = steps,
                .units_per_second = a_second,
                .seconds_left = static_cast<double>(steps - step.number) / a_second});
    }
    if (step.number % flags.checkpoint_every == 0) TOME_TRY(keep());
  }
  cli::clear_progress();
  TOME_TRY(keep());
  return tokens;
}

/// Those that fit into --budget, or those that the folder's run was begun with.
Result<std::uint64_t> steps_in_budget(const ExtendFlags& flags, double seconds_each) {
  TOME_ASSIGN(const auto begun, steps_begun_with(flags.out));
  if (begun) {
    cli::print_notice(
        fmt::format("{}: the {} steps that its run was begun with, whatever --budget says", flags.out, *begun));
    return *begun;
  }
  TOME_ASSIGN(const double seconds, cli::seconds_of("--budget", flags.budget));
  const double steps = seconds / seconds_each;
  if (steps < 1.0)
    return fail(ErrorKind::usage, "--budget {}: a step takes about {}", flags.budget, cli::human_seconds(seconds_each));
  return static_cast<std::uint64_t>(std::min(steps, 1e9));
}

Status merge(const ExtendFlags& flags, const std::shared_ptr<const ModelFile>& file, const std::string& folder) {
  if (flags.merge.empty()) return {};
  TOME_ASSIGN(const LoraAdapter adapter, open_lora_adapter(folder, file->config));
  TOME_ASSIGN(const auto merged, adapted_model(file, adapter, *dtype_from_name(flags.merge_type)));
  TOME_TRY(write_gguf_model(flags.merge, *merged));
  return cli::print(fmt::format("merged: {}\n", flags.merge));
}

std::string plan_text(const ExtendFlags& flags, const ExtendPlan& plan, const Workplace& place, const Workload& load,
                      double seconds_each, std::uint64_t steps_done) {
  std::uint64_t trainable = 0;
  for (const torch::Tensor& tensor : place.weights->trainable())
    trainable += static_cast<std::uint64_t>(tensor.numel());
  const std::uint64_t steps = plan.trainer.steps;
  return fmt::format(
      "{}: {} tokens by {} × {:g}, {} samples of {} tokens\n{} parameters of {} trained, on {} tokens of {} documents, "
      "{} steps\nmemory: at most {} while training; time: about {} ({} a step), measuring not counted\n",
      flags.model, cli::with_commas(plan.target), scaling_method_name(plan.scaling), plan.factor, flags.samples,
      cli::with_commas(flags.samples == "skip" ? plan.samples.length : plan.target), cli::with_commas(trainable),
      place.file->config.name, cli::with_commas(place.texts.tokens()), place.texts.train.size(),
      cli::with_commas(steps), cli::human_bytes(load.bytes),
      cli::human_seconds(seconds_each * static_cast<double>(steps - steps_done)), cli::human_seconds(seconds_each));
}

/// Looks for divisors and leaves them as an adapter of positions alone; the plan becomes theirs.
Status search(const ExtendFlags& flags, cli::ProgressStyle style, const Workplace& place, DecoderGradient& graph,
              ExtendPlan& plan) {
  const std::uint64_t steps = plan.trainer.steps;
  TOME_ASSIGN(const auto divisors,
              search_longrope(flags, plan, *place.file, graph, place.texts, cli::make_progress(style, "candidates")));
  TOME_ASSIGN(plan, plan_extension(flags, place.file->config, divisors));
  plan.trainer.steps = steps;
  graph.set_positions(plan.full);
  tensor_memory().release_free();  // what follows may ask how much memory is at hand
  return {};
}

Status search_alone(const ExtendFlags& flags, cli::ProgressStyle style, Workplace& place, ExtendPlan& plan) {
  TOME_TRY(claim_folder(flags.out, settings_of(flags, plan, *place.weights, place.texts), Claim::look));
  DecoderGradient graph(*place.weights, plan.full, plan.local);
  TOME_TRY(search(flags, style, place, graph, plan));
  TOME_TRY(save_positions(positions_folder(flags), *place.file, flags, plan));
  TOME_TRY(cli::print(fmt::format("written: {} (an adapter of positions alone)\n", positions_folder(flags))));
  return merge(flags, place.file, positions_folder(flags));
}

Result<bool> measured_before(const ExtendFlags& flags, const ExtendPlan& plan, const Workplace& place) {
  if (!flags.evaluate || (flags.held_out == 0.0 && flags.eval_data.empty())) return false;
  TOME_ASSIGN(const bool enough, write_measured_text(flags, plan, place.texts, *place.tokenizer));
  if (!enough) {
    cli::print_notice(
        "the text to measure on is shorter than the target: nothing is measured before and after (--held-out, "
        "--eval-data)");
    return false;
  }
  tensor_memory().release_free();
  TOME_TRY(measure(flags, plan, When::before));
  return true;
}

Status train_and_measure(const ExtendFlags& flags, cli::ProgressStyle style, Workplace& place, ExtendPlan& plan) {
  TOME_ASSIGN(const Workload load, workload_of(flags, *place.weights, *place.samples));
  DecoderGradient graph(*place.weights, plan.full, plan.local, load.recompute);
  const double each = seconds_a_step(graph, *place.weights, *place.samples, plan, load.recompute);
  if (!flags.budget.empty()) {
    TOME_ASSIGN(plan.trainer.steps, steps_in_budget(flags, each));
  }
  TOME_TRY(claim_folder(flags.out, settings_of(flags, plan, *place.weights, place.texts), Claim::write));
  if (!flags.search.empty()) TOME_TRY(search(flags, style, place, graph, plan));
  TOME_TRY(save_positions(positions_folder(flags), *place.file, flags, plan));

  Trainer trainer(*place.weights, graph, *place.samples, plan.trainer);
  if (std::error_code unknown; std::filesystem::exists(checkpoint_of(flags), unknown)) {
    TOME_TRY(trainer.resume(checkpoint_of(flags)));
    cli::print_notice(
        fmt::format("{}: going on after {} of {} steps", flags.out, trainer.steps_done(), plan.trainer.steps));
  }
  TOME_TRY(cli::print(plan_text(flags, plan, place, load, each, trainer.steps_done())));
  TOME_ASSIGN(const bool measured, measured_before(flags, plan, place));
  const auto start = Clock::now();
  const auto tokens = train(trainer, flags, plan.trainer.steps, cli::make_progress(style, "steps"));
  tensor_memory().release_free();
  // Ctrl-C leaves a usable adapter too.
  if (trainer.steps_done() > 0) TOME_TRY(save_adapter(flags.out, *place.weights, flags, plan));
  if (!tokens) return tl::unexpected(tokens.error());
  if (*tokens > 0)
    TOME_TRY(cli::print(fmt::format("trained on {} tokens in {} ({:.0f} tokens/s), peak memory {}\n",
                                    cli::with_commas(*tokens), cli::human_seconds(seconds_since(start)),
                                    static_cast<double>(*tokens) / std::max(seconds_since(start), 1e-9),
                                    cli::human_bytes(cli::peak_resident_bytes()))));
  TOME_TRY(cli::print(fmt::format("written: {} (loss.svg, loss.csv beside it)\n", flags.out)));
  TOME_TRY(merge(flags, place.file, flags.out));
  if (!measured) return {};
  TOME_TRY(measure(flags, plan, When::after));
  return compare_before_and_after(flags, plan);
}

Status extend(const ExtendFlags& flags) {
  TOME_ASSIGN(const cli::ProgressStyle style, cli::progress_style(flags.progress));
  TOME_TRY(check_isa_environment());
  set_thread_count(flags.threads);
  torch::set_num_threads(thread_count());
  Workplace place;
  TOME_ASSIGN(const std::string path, resolve_model(flags.model));
  TOME_ASSIGN(place.file, open_model_file(path));
  TOME_ASSIGN(ExtendPlan plan, plan_extension(flags, place.file->config));
  TOME_TRY(check_merge(flags, *place.file, plan));
  TOME_TRY(open_workplace(flags, plan, place));
  return flags.steps == 0 ? search_alone(flags, style, place, plan) : train_and_measure(flags, style, place, plan);
}

}  // namespace

int run(int argc, char** argv) {
  CLI::App app("makes a model read further than it was trained to, by scaled positions and a little training",
               "tome extend");
  app.footer(
      "\nExample:\n  tome extend -m smollm2-135m --target 16k --data books/ --budget 1h -o smollm2-16k\n"
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
