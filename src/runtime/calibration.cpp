#include "runtime/calibration.h"

#include <algorithm>
#include <chrono>

#include "runtime/bm25.h"
#include "runtime/calibration_text.h"
#include "runtime/passages.h"
#include "runtime/prompt.h"

namespace tome {
namespace {

using WeightedHeads = std::vector<std::pair<std::size_t, double>>;
constexpr double worthwhile_gain = 0.02;  // of held-out mean reciprocal rank, for one more head; less is chance

double reciprocal_of(const std::vector<double>& scores, const std::vector<std::size_t>& gold) {
  double best = 0;
  for (const std::size_t passage : gold) {
    std::size_t before = 0;
    for (std::size_t other = 0; other < scores.size(); ++other)
      if (scores[other] >= scores[passage] && std::find(gold.begin(), gold.end(), other) == gold.end()) ++before;
    best = std::max(best, 1.0 / static_cast<double>(before + 1));
  }
  return best;
}

double mean_reciprocal_rank(const std::vector<CalibrationSample>& samples, bool held_out, const WeightedHeads& heads) {
  double total = 0;
  std::size_t count = 0;
  for (const CalibrationSample& sample : samples) {
    if (sample.held_out != held_out) continue;
    total += reciprocal_rank(sample, heads);
    ++count;
  }
  return count > 0 ? total / static_cast<double>(count) : 0.0;
}

/// So that heads with much and with little attention to the text weigh alike before their own weight.
double inverse_mass(const std::vector<CalibrationSample>& samples, std::size_t head) {
  double mass = 0;
  for (const CalibrationSample& sample : samples)
    for (const float score : sample.scores[head]) mass += static_cast<double>(score);
  return mass > 0 ? static_cast<double>(samples.size()) / mass : 0.0;
}

std::vector<HeadId> candidate_heads(const ModelConfig& config) {
  std::vector<HeadId> heads;
  for (std::uint32_t layer = 0; layer < config.layers; ++layer) {
    if (layer < config.local_layers.size() && config.local_layers[layer]) continue;  // sees its window only
    for (std::uint32_t head = 0; head < config.heads; ++head) heads.push_back({layer, head, 1.0});
  }
  return heads;
}

class SampleMaker {
 public:
  SampleMaker(const CalibrationOptions& options, const std::vector<HeadId>& candidates)
      : options_(options), candidates_(candidates), begin_(std::chrono::steady_clock::now()) {}

  Status add_setting(const CalibrationSetting& setting) {
    EngineOptions engine_options = options_.engine;
    engine_options.automatic_positions = false;
    engine_options.positions = {};
    if (setting.factor != 1.0) {
      engine_options.positions.method = ScalingMethod::yarn;
      engine_options.positions.factor = setting.factor;
    }
    TOME_ASSIGN(const auto engine, Engine::create(engine_options));
    TOME_ASSIGN(const DocumentPrompt prompt, DocumentPrompt::create(engine->tokenizer()));
    for (std::size_t index = 0; index < options_.documents; ++index) {
      constexpr std::uint64_t bytes_per_token = 4;
      const std::uint64_t seed = options_.seed * 1000 + samples_.size() + index;
      TOME_TRY(add_document(*engine, prompt,
                            make_calibration_document(seed, setting.tokens * bytes_per_token, options_.questions)));
    }
    return {};
  }
  std::vector<CalibrationSample>& samples() { return samples_; }

 private:
  Status add_document(Engine& engine, const DocumentPrompt& prompt, const CalibrationDocument& made) {
    const DocumentPrompt::Text text = prompt.text(made.text);
    const std::vector<Passage> passages = cut_passages(text.offsets, options_.passage_length);
    std::vector<std::string_view> words;
    for (const Passage& passage : passages)
      words.push_back(std::string_view(made.text).substr(passage.begin, passage.end - passage.begin));
    std::vector<TokenId> tokens = prompt.head();
    tokens.insert(tokens.end(), text.tokens.begin(), text.tokens.end());
    constexpr std::uint64_t question_room = 256;
    TOME_TRY(engine.fit(tokens.size() + question_room));
    TOME_ASSIGN(const auto session, engine.new_session(tokens.size() + question_room));
    TOME_TRY(session->prefill(tokens));
    for (std::size_t index = 0; index < made.questions.size(); ++index) {
      const CalibrationQuestion& asked = made.questions[index];
      const DocumentPrompt::Question question = prompt.question(asked.question);
      const auto fork = session->fork();
      TOME_ASSIGN(const auto evidence, fork->prefill_with_head_evidence(question.tokens, question.first_row,
                                                                        question.last_row, candidates_));
      CalibrationSample sample;
      sample.held_out = index % 2 == 1;
      for (const Passage& passage : passages)
        if (passage.begin < asked.end && passage.end > asked.begin) sample.gold.push_back(passage.index);
      for (const std::vector<float>& head : evidence)
        sample.scores.push_back(per_passage(head, prompt.head().size(), passages));
      const std::vector<double> lexical = bm25_scores(words, asked.question);
      sample.lexical_reciprocal_rank = reciprocal_of(lexical, sample.gold);
      samples_.push_back(std::move(sample));
      tell_progress();
    }
    return {};
  }

  static std::vector<float> per_passage(const std::vector<float>& keys, std::size_t first,
                                        const std::vector<Passage>& passages) {
    std::vector<float> sums;
    for (const Passage& passage : passages) {
      float sum = 0;
      for (std::uint64_t token = passage.first_token; token < passage.last_token; ++token) sum += keys[first + token];
      sums.push_back(sum);
    }
    return sums;
  }

  void tell_progress() const {
    if (!options_.progress) return;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    const std::size_t total = options_.settings.size() * options_.documents * options_.questions;
    const double rate = static_cast<double>(samples_.size()) / std::max(seconds, 1e-9);
    options_.progress({.what = "calibrating",
                       .done = samples_.size(),
                       .total = total,
                       .units_per_second = rate,
                       .seconds_left = static_cast<double>(total - samples_.size()) / rate});
  }

  const CalibrationOptions& options_;
  const std::vector<HeadId>& candidates_;
  std::chrono::steady_clock::time_point begin_;
  std::vector<CalibrationSample> samples_;
};

}  // namespace

double reciprocal_rank(const CalibrationSample& sample, const WeightedHeads& weighted_heads) {
  std::vector<double> scores(sample.scores.empty() ? 0 : sample.scores.front().size(), 0.0);
  for (const auto& [head, weight] : weighted_heads)
    for (std::size_t passage = 0; passage < scores.size(); ++passage)
      scores[passage] += weight * static_cast<double>(sample.scores[head][passage]);
  return reciprocal_of(scores, sample.gold);
}

CalibrationResult choose_heads(const std::vector<HeadId>& candidates, const std::vector<CalibrationSample>& samples,
                               std::size_t max_heads) {
  CalibrationResult result;
  result.questions = samples.size();
  std::vector<std::size_t> order(candidates.size());
  for (std::size_t head = 0; head < candidates.size(); ++head) {
    order[head] = head;
    result.ranking.push_back({.head = candidates[head],
                              .reciprocal_rank = mean_reciprocal_rank(samples, false, {{head, 1.0}}),
                              .held_out_reciprocal_rank = mean_reciprocal_rank(samples, true, {{head, 1.0}})});
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return result.ranking[a].reciprocal_rank > result.ranking[b].reciprocal_rank;
  });

  constexpr std::size_t pool = 12;
  WeightedHeads chosen;
  const double unit = order.empty() ? 1.0 : inverse_mass(samples, order[0]);
  for (std::size_t place = 0; place < std::min(pool, order.size()) && chosen.size() < max_heads; ++place) {
    const double relative = unit > 0 ? inverse_mass(samples, order[place]) / unit : 1.0;
    std::pair<std::size_t, double> best{order[place], 0.0};
    double best_mean = result.held_out_reciprocal_rank + (chosen.empty() ? 0.0 : worthwhile_gain);
    for (const double weight : {1.0, 0.5, 0.25}) {
      if (chosen.empty() && weight != 1.0) break;
      WeightedHeads tried = chosen;
      tried.emplace_back(order[place], weight * relative);
      // On both halves: a head that helps one half only is chance.
      const double mean = mean_reciprocal_rank(samples, true, tried);
      const bool helps_ranking =
          chosen.empty() || mean_reciprocal_rank(samples, false, tried) > mean_reciprocal_rank(samples, false, chosen);
      if (!helps_ranking || mean <= best_mean) continue;
      best_mean = mean;
      best.second = weight * relative;
    }
    if (best.second == 0.0) continue;
    chosen.push_back(best);
    result.held_out_reciprocal_rank = best_mean;
  }
  for (const auto& [head, weight] : chosen) {
    result.heads.heads.push_back(candidates[head]);
    result.heads.heads.back().weight = weight;
  }
  std::stable_sort(result.ranking.begin(), result.ranking.end(), [](const CalibratedHead& a, const CalibratedHead& b) {
    return a.reciprocal_rank > b.reciprocal_rank;
  });
  std::size_t held_out = 0;
  for (const CalibrationSample& sample : samples) {
    if (!sample.held_out) continue;
    result.lexical_reciprocal_rank += sample.lexical_reciprocal_rank;
    ++held_out;
  }
  if (held_out > 0) result.lexical_reciprocal_rank /= static_cast<double>(held_out);
  return result;
}

Result<CalibrationResult> calibrate_heads(const CalibrationOptions& options) {
  TOME_ASSIGN(const auto model, open_model_file(options.engine.model));
  const std::vector<HeadId> candidates = candidate_heads(model->config);
  if (candidates.empty())
    return fail(ErrorKind::usage, "[calibrate] {}: no layer sees the whole text, so no head can point",
                options.engine.model);
  SampleMaker maker(options, candidates);
  for (const CalibrationSetting& setting : options.settings) TOME_TRY(maker.add_setting(setting));
  CalibrationResult result = choose_heads(candidates, maker.samples(), options.max_heads);
  std::string settings;
  for (const CalibrationSetting& setting : options.settings)
    settings += fmt::format("{}{} tokens × {:g}", settings.empty() ? "" : ", ", setting.tokens, setting.factor);
  result.heads.passage_length = options.passage_length;
  result.heads.method = fmt::format(
      "mean reciprocal rank over {} generated questions ({}; factor 1 native, others YaRN), seed {}; held-out {:.3f}, "
      "BM25 "
      "{:.3f}",
      result.questions, settings, options.seed, result.held_out_reciprocal_rank, result.lexical_reciprocal_rank);
  return result;
}

}  // namespace tome
