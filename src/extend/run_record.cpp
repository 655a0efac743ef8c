#include "extend/run_record.h"

#include <algorithm>
#include <filesystem>

#include "base/mapped_file.h"
#include "base/thread_pool.h"
#include "cli/console.h"
#include "evaluation/svg_plots.h"

namespace tome::extend {
namespace {

constexpr std::size_t kStretches = 24;  ///< of the loss curve

std::string path_of(const std::string& folder) { return folder + "/run.json"; }

Result<std::optional<Json>> read_settings(const std::string& folder) {
  std::error_code unknown;
  if (!std::filesystem::exists(path_of(folder), unknown)) return std::nullopt;
  TOME_ASSIGN(const std::string text, read_file(path_of(folder), std::uint64_t{1} << 20));
  TOME_ASSIGN(Json settings, parse_json(text, "[training] " + path_of(folder), {.max_depth = 8}));
  if (!settings.is_object())
    return fail(ErrorKind::format, "[training] {}: not an object, expected the settings of a run", path_of(folder));
  return std::optional<Json>(std::move(settings));
}

}  // namespace

Json settings_of(const ExtendFlags& flags, const ExtendPlan& plan, const TrainingWeights& weights,
                 const TrainingTexts& texts) {
  return {{"model", weights.file().fingerprint},
          {"positions", plan.full.fingerprint()},
          {"target", plan.target},
          {"samples", flags.samples},
          {"length", plan.samples.length},
          {"short_share", flags.short_share},
          {"mix", flags.mix},
          {"train", flags.train},
          {"rank", flags.rank},
          {"alpha", flags.alpha},
          {"steps", plan.trainer.steps},
          {"batch", flags.batch},
          {"learning_rate", flags.learning_rate},
          {"warmup", flags.warmup},
          {"held_out", flags.held_out},
          {"precision", flags.precision},
          {"seed", flags.seed},
          {"threads", thread_count()},
          {"texts", texts.fingerprint()}};
}

Status claim_folder(const std::string& folder, const Json& settings) {
  TOME_ASSIGN(const auto earlier, read_settings(folder));
  if (!earlier) return write_file_atomically(path_of(folder), cli::json_text(settings) + "\n");
  for (const auto& [name, value] : settings.items()) {
    const Json before = earlier->contains(name) ? earlier->at(name) : Json();
    if (before != value)
      return fail(ErrorKind::usage, "--out {}: holds a run with {} {}, this one has {}: the same, or another folder",
                  folder, name, cli::one_line(cli::json_text(before, -1), 80),
                  cli::one_line(cli::json_text(value, -1), 80));
  }
  return {};
}

Result<std::optional<std::uint64_t>> steps_begun_with(const std::string& folder) {
  TOME_ASSIGN(const auto earlier, read_settings(folder));
  if (!earlier) return std::nullopt;
  const auto steps = earlier->find("steps");
  if (steps == earlier->end() || !steps->is_number_unsigned())
    return fail(ErrorKind::format, "[training] {}: no number 'steps'", path_of(folder));
  return std::optional<std::uint64_t>(steps->get<std::uint64_t>());
}

Status write_curve(const std::string& folder, const std::vector<TrainingStep>& history) {
  std::string text = "step,loss,gradient,learning_rate,tokens\n";
  for (const TrainingStep& step : history)
    text += fmt::format("{},{:.6f},{:.6f},{:.8g},{}\n", step.number, step.loss, step.gradient_norm, step.learning_rate,
                        step.tokens);
  TOME_TRY(write_file_atomically(folder + "/loss.csv", text));
  PlotSeries series{.name = "loss"};
  const std::size_t stretches = std::min(kStretches, history.size());
  double tokens = 0.0;
  for (std::size_t stretch = 0; stretch < stretches; ++stretch) {
    PlotPoint point{.x = tokens};
    double sum = 0.0;
    for (std::size_t i = stretch * history.size() / stretches; i < (stretch + 1) * history.size() / stretches; ++i) {
      const auto counted = static_cast<double>(history[i].tokens);
      sum += history[i].loss * counted;
      tokens += counted;
    }
    point.y = sum / (tokens - point.x);
    point.x_end = tokens;
    point.hover = fmt::format("{:.4f} nats a token", point.y);
    series.points.push_back(point);
  }
  const SvgPlot plot = line_plot({{"", {series}}}, {.x_name = "tokens trained on", .y_name = "loss, nats a token"},
                                 fmt::format("Loss of {} steps", history.size()), wide_plot);
  return write_file_atomically(folder + "/loss.svg", standalone_svg(plot));
}

}  // namespace tome::extend
