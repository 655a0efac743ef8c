#include "evaluation/work_left.h"

#include <algorithm>

namespace tome {

double attention_turn(const ModelConfig& config, std::uint64_t parameters) {
  const double full = static_cast<double>(std::count(config.local_layers.begin(), config.local_layers.end(), false));
  const double embeddings = static_cast<double>(config.vocabulary) * config.hidden * (config.tied_embeddings ? 1 : 2);
  const double outside = static_cast<double>(parameters) - embeddings;  // reading makes no logits
  // Half the context on average, keys and values: heads · head_dim products a token of context.
  const double each = full * static_cast<double>(config.heads) * static_cast<double>(config.head_dim);
  return each > 0 ? std::max(1.0, outside) / each : 1e18;
}

Result<WorkLeft> WorkLeft::estimate(const SampleSource& source, double turn, std::size_t look) {
  const std::size_t count = source.count(), looked = std::min(count, std::max<std::size_t>(look, 2));
  WorkLeft work;
  work.sums_.assign(1, 0.0);
  std::vector<std::size_t> places;
  std::vector<double> weights;
  for (std::size_t i = 0; i < looked; ++i) {
    places.push_back(looked == 1 ? 0 : i * (count - 1) / (looked - 1));
    TOME_ASSIGN(const Sample sample, source.make(places.back()));
    const auto n = static_cast<double>(sample.prompt.size());
    weights.push_back(n + n * n / turn);
  }
  std::size_t next = 0;
  for (std::size_t index = 0; index < count; ++index) {
    while (next + 1 < looked && places[next] < index) ++next;
    double weight = weights[next];
    if (places[next] > index) {  // between two that were made
      const auto from = static_cast<double>(places[next - 1]), to = static_cast<double>(places[next]);
      const double share = (static_cast<double>(index) - from) / (to - from);
      weight = weights[next - 1] * (1 - share) + weights[next] * share;
    }
    work.sums_.push_back(work.sums_.back() + weight);
  }
  return work;
}

double WorkLeft::from(std::size_t index) const { return sums_.back() - sums_[std::min(index, sums_.size() - 1)]; }

}  // namespace tome
