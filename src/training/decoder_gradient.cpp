#include "training/decoder_gradient.h"

#include <torch/nn/functional.h>
#include <torch/utils.h>

#include <algorithm>

#include "attention/rotation.h"
#include "base/check.h"
#include "training/attention_function.h"
#include "training/decoder_functions.h"
#include "training/visible_range.h"
#include "training/vocabulary_loss.h"

namespace tome {

namespace functional = torch::nn::functional;

struct DecoderGradient::Tables {
  torch::Tensor cosine[2], sine[2];  // [tokens, head_dim / 2], of full and local layers
  torch::Tensor first_keys[2];
  torch::Tensor first_keys_of_odd_layers;  // S² with a single KV head: every other full layer is shifted
};

namespace {

void fill_rotation(const PositionTable& table, const std::vector<std::uint64_t>& positions, torch::Tensor& cosine,
                   torch::Tensor& sine) {
  RotationRows rows(table);
  const auto half = static_cast<std::int64_t>(rows.half());
  const std::vector<std::int64_t> shape{static_cast<std::int64_t>(positions.size()), half};
  cosine = torch::empty(shape, torch::kFloat32);
  sine = torch::empty(shape, torch::kFloat32);
  for (std::size_t token = 0; token < positions.size(); ++token) {
    rows.assign(positions[token], 1);
    std::copy_n(rows.cosine(positions[token]), half,
                cosine.data_ptr<float>() + static_cast<std::int64_t>(token) * half);
    std::copy_n(rows.sine(positions[token]), half, sine.data_ptr<float>() + static_cast<std::int64_t>(token) * half);
  }
}

}  // namespace

std::uint64_t TrainingSample::counted() const {
  return static_cast<std::uint64_t>(
      std::count_if(targets.begin(), targets.end(), [](std::int32_t target) { return target != kNoTarget; }));
}

std::uint64_t DecoderGradient::working_bytes(const ModelConfig& config, std::uint64_t ranks, std::uint64_t tokens,
                                             Recompute recompute) {
  // What autograd keeps of a layer for each token: what its norms read (a norm before and one after each half, or one),
  // what low-rank changes read and hold between their factors, queries and keys (before their norms too), values,
  // context and its LSEs, and the rows of the feed-forward part. Gradients on their way, and the products' own copies
  // of what they read, take as much as two layers.
  const std::uint64_t hidden = config.hidden, heads = std::uint64_t{config.heads} + config.kv_heads;
  const std::uint64_t layer = (config.post_norms ? 6 : 4) * hidden +
                              (config.qk_norm ? 3 : 2) * heads * config.head_dim +
                              3 * std::uint64_t{config.feed_forward} + ranks + config.heads;
  const std::uint64_t kept =
      recompute == Recompute::nothing ? layer * (config.layers + 2) : 3 * layer + hidden * (config.layers + 2);
  // Logits of a slice, their softmax and its gradient where torch makes them.
  const std::uint64_t logits = (config.final_logit_softcap == 0.0f ? 3 : 5) *
                               static_cast<std::uint64_t>(logit_rows_at_once(config.vocabulary)) * config.vocabulary;
  return (tokens * kept + logits) * sizeof(float);
}

DecoderGradient::DecoderGradient(TrainingWeights& weights, PositionPlan full, PositionPlan local, Recompute recompute)
    : weights_(weights), plans_{std::move(full), std::move(local)}, recompute_(recompute) {
  for (const PositionPlan& plan : plans_) CHECK(plan.parts.size() == 1);
  const ModelConfig& c = weights.config();
  CHECK(plans_[0].parts[0].table.inverse_frequencies.size() * 2 == c.head_dim);
}

void DecoderGradient::set_positions(PositionPlan full) {
  CHECK(full.parts.size() == 1);
  plans_[0] = std::move(full);
}

DecoderGradient::Tables DecoderGradient::tables_of(const TrainingSample& sample) const {
  const ModelConfig& c = weights_.config();
  CHECK(sample.targets.size() == sample.tokens.size() && sample.positions.size() == sample.tokens.size());
  CHECK(sample.local_positions.size() == sample.tokens.size() && sample.document_start.size() == sample.tokens.size() &&
        sample.local_start.size() == sample.tokens.size());
  Tables tables;
  fill_rotation(plans_[0].parts[0].table, sample.positions, tables.cosine[0], tables.sine[0]);
  fill_rotation(plans_[1].parts[0].table, sample.local_positions, tables.cosine[1], tables.sine[1]);
  tables.first_keys[1] = first_keys(sample.local_start, c.sliding_window);
  if (sample.shifted_group == 0) {
    tables.first_keys[0] = tables.first_keys_of_odd_layers = first_keys(sample.document_start, 0);
    return tables;
  }
  tables.first_keys[0] = tables.first_keys_of_odd_layers =
      first_keys_of_shifted_groups(sample.document_start, sample.shifted_group, c.kv_heads, ShiftedHeads::second_half);
  if (c.kv_heads == 1) {
    tables.first_keys[0] =
        first_keys_of_shifted_groups(sample.document_start, sample.shifted_group, 1, ShiftedHeads::none);
    tables.first_keys_of_odd_layers =
        first_keys_of_shifted_groups(sample.document_start, sample.shifted_group, 1, ShiftedHeads::all);
  }
  return tables;
}

torch::Tensor DecoderGradient::embed(const TrainingSample& sample) const {
  const ModelConfig& c = weights_.config();
  torch::Tensor tokens = torch::empty({static_cast<std::int64_t>(sample.tokens.size())}, torch::kInt64);
  std::copy(sample.tokens.begin(), sample.tokens.end(), tokens.data_ptr<std::int64_t>());
  const torch::Tensor rows = torch::embedding(weights_.at(Role::token_embedding), tokens).to(torch::kFloat32);
  return c.embedding_scale == 1.0f ? rows : rows * c.embedding_scale;
}

/// x · Wᵀ.
torch::Tensor DecoderGradient::product(const torch::Tensor& x, Role role, int layer) const {
  if (const FrozenMatrix* matrix = weights_.frozen(role, layer)) return matrix->product(x);
  return torch::linear(x, weights_.at(role, layer));
}

torch::Tensor DecoderGradient::linear(const torch::Tensor& x, Role role, int layer) const {
  torch::Tensor y = product(x, role, layer);
  if (const LowRankChange* change = weights_.change(role, layer))
    // In place: no product keeps what it gave, and a sum beside it would leave holes in the heap (peak 4.4 to 3.6 GB).
    y.addmm_(torch::linear(x, change->a), change->b.t(), 1.0, change->scale);
  return y;
}

torch::Tensor DecoderGradient::linear(const torch::Tensor& x, Role role, int layer, Role bias) const {
  const torch::Tensor y = linear(x, role, layer);
  return weights_.has(bias, layer) ? y + weights_.at(bias, layer) : y;
}

torch::Tensor DecoderGradient::norm(const torch::Tensor& x, Role role, int layer) const {
  return rms_norm(x, weights_.at(role, layer), weights_.config().norm_epsilon);
}

torch::Tensor DecoderGradient::layer(int index, const torch::Tensor& x, const Tables& tables) const {
  const ModelConfig& c = weights_.config();
  const bool local = c.local_layers[static_cast<std::size_t>(index)];
  const auto of_heads = [&](const torch::Tensor& t, std::uint32_t heads) {
    return t.view({t.size(0), heads, c.head_dim});
  };
  const torch::Tensor normed = norm(x, Role::attention_norm, index);
  torch::Tensor queries = of_heads(linear(normed, Role::query, index, Role::query_bias), c.heads);
  torch::Tensor keys = of_heads(linear(normed, Role::key, index, Role::key_bias), c.kv_heads);
  const torch::Tensor values = of_heads(linear(normed, Role::value, index, Role::value_bias), c.kv_heads);
  if (c.qk_norm) {
    queries = norm(queries, Role::query_norm, index);
    keys = norm(keys, Role::key_norm, index);
  }
  const PositionTable& table = plans_[local].parts[0].table;
  const auto full_before = std::count(c.local_layers.begin(), c.local_layers.begin() + index, false);
  const torch::Tensor& seen = local                  ? tables.first_keys[1]
                              : full_before % 2 == 1 ? tables.first_keys_of_odd_layers
                                                     : tables.first_keys[0];
  torch::Tensor context = attend(rotate(queries, tables.cosine[local], tables.sine[local]),
                                 rotate(keys, tables.cosine[local], tables.sine[local]), values, seen,
                                 static_cast<double>(c.attention_scale) * static_cast<double>(table.softmax_scale));
  context = linear(context.view({x.size(0), -1}), Role::attention_output, index);
  if (c.post_norms) context = norm(context, Role::post_attention_norm, index);
  const torch::Tensor middle = x + context;
  const torch::Tensor into = norm(middle, Role::feed_forward_norm, index);
  const torch::Tensor gate = linear(into, Role::gate, index);
  torch::Tensor change = linear(gated(gate, linear(into, Role::up, index), c.activation), Role::down, index);
  if (c.post_norms) change = norm(change, Role::post_feed_forward_norm, index);
  return middle + change;
}

/// normed hidden [n, hidden] → logits [n, vocabulary].
torch::Tensor DecoderGradient::output_of(const torch::Tensor& hidden) const {
  const ModelConfig& c = weights_.config();
  const torch::Tensor logits = product(hidden, c.tied_embeddings ? Role::token_embedding : Role::output, -1);
  return c.final_logit_softcap == 0.0f ? logits : torch::tanh(logits / c.final_logit_softcap) * c.final_logit_softcap;
}

/// Summed loss of the normed hidden states, slice by slice; `gradient` becomes that of `weight` times the loss.
double DecoderGradient::head(const torch::Tensor& hidden, const TrainingSample& sample, double weight,
                             torch::Tensor* gradient) const {
  std::vector<std::int64_t> rows, targets;
  for (std::size_t row = 0; row < sample.targets.size(); ++row) {
    if (sample.targets[row] == TrainingSample::kNoTarget) continue;
    rows.push_back(static_cast<std::int64_t>(row));
    targets.push_back(sample.targets[row]);
  }
  const auto counted = static_cast<std::int64_t>(rows.size());
  const ModelConfig& c = weights_.config();
  const Role role = c.tied_embeddings ? Role::token_embedding : Role::output;
  if (const FrozenMatrix* output = weights_.frozen(role, -1); output != nullptr && c.final_logit_softcap == 0.0f) {
    const torch::Tensor index = torch::from_blob(rows.data(), {counted}, torch::kInt64);
    torch::Tensor found;
    const double total = vocabulary_loss(hidden.detach().index_select(0, index), *output, targets, weight,
                                         gradient == nullptr ? nullptr : &found);
    if (gradient != nullptr) *gradient = torch::zeros_like(hidden).index_copy_(0, index, found);
    return total;
  }
  const std::int64_t step = logit_rows_at_once(c.vocabulary);
  if (gradient != nullptr) *gradient = torch::zeros_like(hidden);
  double total = 0.0;
  for (std::int64_t first = 0; first < counted; first += step) {
    const std::int64_t count = std::min(step, counted - first);
    const torch::Tensor index = torch::from_blob(rows.data() + first, {count}, torch::kInt64);
    torch::Tensor slice = hidden.detach().index_select(0, index);
    if (gradient != nullptr) slice.set_requires_grad(true);
    const torch::Tensor loss =
        functional::cross_entropy(output_of(slice), torch::from_blob(targets.data() + first, {count}, torch::kInt64),
                                  functional::CrossEntropyFuncOptions().reduction(torch::kNone))
            .to(torch::kFloat64)
            .sum();
    total += loss.item<double>();
    if (gradient == nullptr) continue;
    (loss * weight).backward();
    gradient->index_copy_(0, index, slice.grad());
  }
  return total;
}

double DecoderGradient::loss(const TrainingSample& sample) {
  const torch::NoGradGuard no_gradients;
  const Tables tables = tables_of(sample);
  torch::Tensor x = embed(sample);
  for (int index = 0; index < static_cast<int>(weights_.config().layers); ++index) x = layer(index, x, tables);
  return head(norm(x, Role::output_norm, -1), sample, 1.0, nullptr);
}

torch::Tensor DecoderGradient::logits(const TrainingSample& sample) {
  const torch::NoGradGuard no_gradients;
  const Tables tables = tables_of(sample);
  torch::Tensor x = embed(sample);
  for (int index = 0; index < static_cast<int>(weights_.config().layers); ++index) x = layer(index, x, tables);
  return output_of(norm(x, Role::output_norm, -1));
}

double DecoderGradient::add_gradients(const TrainingSample& sample, double weight) {
  const int layers = static_cast<int>(weights_.config().layers);
  const Tables tables = tables_of(sample);
  const torch::Tensor embedded = embed(sample);
  std::vector<torch::Tensor> inputs, outputs;  // of each layer; outputs where they keep what gradients need
  torch::Tensor x = embedded.detach();
  for (int index = 0; index < layers; ++index) {
    inputs.push_back(x.set_requires_grad(true));
    const c10::AutoGradMode kept(recompute_ == Recompute::nothing);
    outputs.push_back(layer(index, x, tables));
    x = outputs.back().detach();
    if (recompute_ == Recompute::layers) outputs.clear();
  }
  torch::Tensor last = x.set_requires_grad(true);
  const torch::Tensor normed = norm(last, Role::output_norm, -1);
  torch::Tensor gradient;
  const double total = head(normed, sample, weight, &gradient);
  normed.backward(gradient);
  gradient = last.grad();
  for (int index = layers - 1; index >= 0; --index) {
    {
      const torch::Tensor output =
          recompute_ == Recompute::layers ? layer(index, inputs.back(), tables) : outputs.back();
      output.backward(gradient);
    }
    gradient = inputs.back().grad();
    inputs.pop_back();
    if (!outputs.empty()) outputs.pop_back();
  }
  if (embedded.requires_grad()) embedded.backward(gradient);
  return total;
}

}  // namespace tome
