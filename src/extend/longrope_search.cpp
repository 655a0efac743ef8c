#include "extend/longrope_search.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "base/cancel.h"
#include "base/mapped_file.h"
#include "cli/console.h"
#include "extend/run_record.h"
#include "position/extended_config.h"
#include "training/divisor_search.h"

namespace tome::extend {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kMostHundredths = 100000000;

/// How many times slower a method turns each pair than the model did, in hundredths.
Result<Divisors> divisors_of(ScalingMethod method, double factor, const ModelConfig& config) {
  TOME_ASSIGN(const ModelConfig extended, extended_config(config, method, factor));
  TOME_ASSIGN(const PositionPlan own, plan_positions(config, declared_options(config), config.context_length));
  TOME_ASSIGN(const PositionPlan scaled, plan_positions(extended, declared_options(extended), extended.context_length));
  Divisors divisors;
  const auto &before = own.parts[0].table.inverse_frequencies, &after = scaled.parts[0].table.inverse_frequencies;
  for (std::size_t i = 0; i < before.size(); ++i)
    divisors.push_back(static_cast<std::uint32_t>(
        std::lround(100.0 * static_cast<double>(before[i]) / static_cast<double>(after[i]))));
  return divisors;
}

std::vector<float> as_numbers(const Divisors& divisors) {
  std::vector<float> numbers;
  for (const std::uint32_t divisor : divisors) numbers.push_back(static_cast<float>(divisor) / 100.0f);
  return numbers;
}

class Search {
 public:
  Search(const ExtendFlags& flags, const ExtendPlan& plan, const ModelConfig& config, DecoderGradient& graph,
         std::vector<TrainingSample> samples, const ProgressFunction& progress)
      : flags_(flags),
        plan_(plan),
        config_(config),
        samples_(std::move(samples)),
        graph_(graph),
        progress_(progress),
        path_(flags.out + "/search.json") {
    for (const TrainingSample& sample : samples_) tokens_ += sample.counted();
  }

  Status take_up(Json settings) {
    settings_ = std::move(settings);
    std::error_code unknown;
    if (!std::filesystem::exists(path_, unknown)) return {};
    TOME_ASSIGN(const std::string text, read_file(path_, std::uint64_t{1} << 28));
    const std::string where = "[training] " + path_;
    TOME_ASSIGN(const Json earlier, parse_json(text, where, {.max_depth = 8}));
    const auto shown = [](const Json& value) { return cli::one_line(cli::json_text(value, -1), 80); };
    if (!earlier.is_object() || !earlier.contains("candidates") || !earlier.at("candidates").is_array())
      return fail(ErrorKind::format, "{}: {}, expected an object with a list 'candidates'", where, shown(earlier));
    TOME_TRY(check_same_settings(earlier.value("settings", Json()), settings_, path_));
    for (const Json& entry : earlier.at("candidates")) {
      const Json hundredths = entry.is_object() ? entry.value("hundredths", Json()) : Json();
      if (!hundredths.is_array() || !entry.value("loss", Json()).is_number())
        return fail(ErrorKind::format, "{}: candidate {} is {}, expected 'loss' and 'hundredths'", where, known_.size(),
                    shown(entry));
      Divisors divisors;
      for (const Json& divisor : hundredths) {
        if (!divisor.is_number_unsigned() || divisor.get<std::uint64_t>() > kMostHundredths)
          return fail(ErrorKind::format, "{}: candidate {}: divisor {}, expected a whole number up to {}", where,
                      known_.size(), shown(divisor), kMostHundredths);
        divisors.push_back(divisor.get<std::uint32_t>());
      }
      known_[divisors] = entry.at("loss").get<double>();
    }
    return {};
  }

  /// Mean negative log-likelihood of a token.
  Result<double> loss(const Divisors& divisors) {
    looked_at_.insert(divisors);
    if (const auto found = known_.find(divisors); found != known_.end()) return found->second;
    if (cancel_requested())
      return fail(ErrorKind::cancelled, "interrupted after {} candidates: the same command goes on",
                  looked_at_.size() - 1);
    TOME_ASSIGN(const ModelConfig extended,
                extended_config(config_, ScalingMethod::longrope, plan_.factor, as_numbers(divisors)));
    TOME_ASSIGN(PositionPlan positions, plan_positions(extended, declared_options(extended), extended.context_length));
    graph_.set_positions(std::move(positions));
    double sum = 0.0;
    for (const TrainingSample& sample : samples_) sum += graph_.loss(sample);
    const double mean = sum / static_cast<double>(tokens_);
    if (!std::isfinite(mean))
      return fail(ErrorKind::numeric, "[training] search: the loss with divisors {} is {}, expected a number",
                  fmt::join(as_numbers(divisors), " "), mean);
    known_[divisors] = mean;
    TOME_TRY(keep());
    report();
    return mean;
  }

  std::uint32_t parents() const { return std::max<std::uint32_t>(1, flags_.search_population / 4); }

 private:
  Status keep() const {
    Json candidates = Json::array();
    for (const auto& [divisors, loss] : known_) candidates.push_back({{"loss", loss}, {"hundredths", divisors}});
    return write_file_atomically(
        path_, cli::json_text({{"settings", settings_}, {"candidates", std::move(candidates)}}, -1) + "\n");
  }

  void report() {
    if (!progress_) return;
    ++fresh_;
    const double rate = static_cast<double>(fresh_) / std::chrono::duration<double>(Clock::now() - begun_).count();
    const std::uint64_t total =
        flags_.search_population + std::uint64_t{flags_.search_generations} * (flags_.search_population - parents());
    const std::uint64_t done = std::min<std::uint64_t>(looked_at_.size(), total);
    progress_({.what = "searching",
               .done = done,
               .total = total,
               .units_per_second = rate,
               .seconds_left = static_cast<double>(total - done) / rate});
  }

  const ExtendFlags& flags_;
  const ExtendPlan& plan_;
  const ModelConfig& config_;
  std::vector<TrainingSample> samples_;
  DecoderGradient& graph_;
  const ProgressFunction& progress_;
  std::string path_;
  Json settings_;
  std::map<Divisors, double> known_;
  std::set<Divisors> looked_at_;
  std::uint64_t tokens_ = 0, fresh_ = 0;
  Clock::time_point begun_ = Clock::now();
};

}  // namespace

Result<std::vector<float>> search_longrope(const ExtendFlags& flags, const ExtendPlan& plan, const ModelFile& model,
                                           DecoderGradient& graph, const TrainingTexts& texts,
                                           const ProgressFunction& progress) {
  TrainingSampleOptions options = plan.samples;
  options.short_share = options.retrieval_share = 0.0;
  options.seed = plan.samples.seed ^ 0x5ea2c4;
  TOME_ASSIGN(const SampleMaker maker, SampleMaker::create(texts, options));
  std::vector<TrainingSample> samples;
  for (std::uint64_t i = 0; i < flags.search_samples; ++i) samples.push_back(maker.sample(i));
  Search search(flags, plan, model.config, graph, std::move(samples), progress);
  TOME_TRY(search.take_up({{"model", model.fingerprint},
                           {"target", plan.target},
                           {"factor", plan.factor},
                           {"samples", flags.samples},
                           {"recipe", SampleMaker::recipe},
                           {"length", plan.samples.length},
                           {"search_samples", flags.search_samples},
                           {"precision", flags.precision},
                           {"seed", flags.seed},
                           {"texts", texts.fingerprint()}}));
  std::vector<Divisors> start;
  std::string known = "perplexity of the samples, untrained:";
  for (const ScalingMethod method : {ScalingMethod::linear, ScalingMethod::ntk, ScalingMethod::yarn}) {
    TOME_ASSIGN(Divisors divisors, divisors_of(method, plan.factor, model.config));
    TOME_ASSIGN(const double loss, search.loss(divisors));
    known += fmt::format(" {} {:.3f}", scaling_method_name(method), std::exp(loss));
    start.push_back(std::move(divisors));
  }
  TOME_TRY(cli::print(known + " (with LongRoPE's temperature)\n"));
  TOME_ASSIGN(const FoundDivisors found,
              search_divisors(
                  start,
                  {.population = flags.search_population,
                   .parents = search.parents(),
                   .generations = flags.search_generations,
                   .largest = 1.25 * plan.factor,
                   .seed = flags.seed},
                  [&](const Divisors& divisors) { return search.loss(divisors); },
                  [&](std::uint32_t generation, const Divisors&, double loss) -> Status {
                    cli::clear_progress();
                    return cli::print(fmt::format("generation {}: perplexity {:.3f}\n", generation, std::exp(loss)));
                  }));
  cli::clear_progress();
  std::string list;
  for (const float divisor : as_numbers(found.divisors)) list += fmt::format(" {:.2f}", divisor);
  TOME_TRY(cli::print(fmt::format("divisors:{}\n", list)));
  return as_numbers(found.divisors);
}

}  // namespace tome::extend
