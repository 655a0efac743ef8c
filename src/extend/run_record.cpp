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
    return fail(ErrorKind::format, "[training] {}: {}, expected an object, the settings of a run", path_of(folder),
                cli::one_line(cli::json_text(settings, -1), 80));
  return std::optional<Json>(std::move(settings));
}

}  // namespace

Json settings_of(const ExtendFlags& flags, const ExtendPlan& plan, const TrainingWeights& weights,
                 const TrainingTexts& texts) {
  Json settings = {{"model", weights.file().fingerprint},
                   {"data", texts.fingerprint()},
                   {"target", plan.target},
                   {"rope-scaling", flags.search.empty() ? flags.scaling : flags.search},
                   {"rope-factor", plan.factor},
                   {"samples", flags.samples},
                   {"recipe", SampleMaker::recipe},
                   {"length", plan.samples.length},
                   {"short-share", flags.short_share},
                   {"mix", flags.mix},
                   {"train", flags.train},
                   {"rank", flags.rank},
                   {"alpha", flags.alpha},
                   {"batch", flags.batch},
                   {"learning-rate", flags.learning_rate},
                   {"warmup", flags.warmup},
                   {"held-out", flags.held_out},
                   {"precision", flags.precision},
                   {"seed", flags.seed},
                   {"threads", thread_count()}};
  if (plan.trainer.steps > 0) settings["steps"] = plan.trainer.steps;
  if (!flags.search.empty()) {
    settings["search"] = flags.search;
    settings["search-population"] = flags.search_population;
    settings["search-generations"] = flags.search_generations;
    settings["search-samples"] = flags.search_samples;
  }
  return settings;
}

Status check_same_settings(const Json& earlier, const Json& settings, const std::string& file) {
  const auto shown = [](const Json& value) { return cli::one_line(cli::json_text(value, -1), 80); };
  for (const auto& [name, value] : settings.items()) {
    const Json before = earlier.is_object() && earlier.contains(name) ? earlier.at(name) : Json();
    if (before != value)
      return fail(ErrorKind::usage, "{}: holds a run with {} {}, this one has {}: the same, or another --out", file,
                  name, shown(before), shown(value));
  }
  return {};
}

Status claim_folder(const std::string& folder, const Json& settings, Claim claim) {
  TOME_ASSIGN(const auto earlier, read_settings(folder));
  if (earlier) return check_same_settings(*earlier, settings, path_of(folder));
  return claim == Claim::write ? write_file_atomically(path_of(folder), cli::json_text(settings) + "\n") : Status();
}

Result<std::optional<std::uint64_t>> steps_begun_with(const std::string& folder) {
  TOME_ASSIGN(const auto earlier, read_settings(folder));
  if (!earlier) return std::nullopt;
  const auto steps = earlier->find("steps");
  if (steps == earlier->end() || !steps->is_number_unsigned())
    return fail(ErrorKind::format, "[training] {}: 'steps' is {}, expected a whole number", path_of(folder),
                steps == earlier->end() ? "missing" : cli::one_line(cli::json_text(*steps, -1), 80));
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
