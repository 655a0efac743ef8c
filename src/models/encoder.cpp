#include "models/encoder.h"

#include <algorithm>
#include <cmath>

#include "attention/bigbird.h"
#include "attention/longformer.h"
#include "attention/two_sided_attention.h"
#include "base/cancel.h"
#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/dequantize.h"
#include "kernels/layer_norm.h"

namespace tome {
namespace {

constexpr std::size_t kRowsAtOnce = 1024;  // of the MLP's inner width
constexpr std::size_t kLogitRows = 64;     // a vocabulary of 50,000 makes 200 KB a row

template <class Work>
void for_each_row(std::size_t rows, const Work& work) {
  constexpr std::size_t step = 8;
  parallel_for(static_cast<std::int64_t>((rows + step - 1) / step), [&](std::int64_t block, int) {
    const std::size_t first = static_cast<std::size_t>(block) * step;
    for (std::size_t row = first; row < std::min(rows, first + step); ++row) work(row);
  });
}

void activate(EncoderActivation activation, float* values, std::size_t count) {
  switch (activation) {
    case EncoderActivation::gelu:
      kernels::gelu(values, count);
      break;
    case EncoderActivation::gelu_tanh:
      kernels::gelu_tanh(values, count);
      break;
    case EncoderActivation::relu:
      kernels::relu(values, count);
      break;
  }
}

}  // namespace

struct Encoder::Scratch {
  AlignedBuffer<float> hidden, query, key, value, context, projected, inner, gathered_key, gathered_value, logits;
  kernels::MatmulScratch matmul;
  PackedKeys text, globals;

  Scratch(std::uint32_t heads, std::uint32_t head_dim) : text(heads, head_dim), globals(heads, head_dim) {}
};

Encoder::Encoder(std::shared_ptr<const EncoderFile> file, const Options& options)
    : weights_(load_encoder_weights(std::move(file))),
      options_(options),
      scratch_(std::make_unique<Scratch>(config().heads, config().head_dim)) {}
Encoder::~Encoder() = default;

std::uint64_t Encoder::longest_text() const {
  const EncoderConfig& c = config();
  return c.family == EncoderFamily::longformer ? c.positions - c.pad - 1 : c.positions;
}

Result<std::vector<std::uint64_t>> Encoder::check(std::span<const std::int32_t> tokens,
                                                  std::span<const std::uint64_t> globals) const {
  const EncoderConfig& c = config();
  if (tokens.empty()) return fail(ErrorKind::usage, "[encode] no tokens, expected at least 1");
  if (tokens.size() > longest_text())
    return fail(ErrorKind::usage, "[encode] {} tokens, {} has positions for {}", tokens.size(), c.name, longest_text());
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] < 0 || static_cast<std::uint32_t>(tokens[i]) >= c.vocabulary)
      return fail(ErrorKind::usage, "[encode] token {} has id {}, expected below {}", i, tokens[i], c.vocabulary);
  if (!globals.empty() && c.family != EncoderFamily::longformer)
    return fail(ErrorKind::usage, "[encode] global tokens are Longformer's, {} is of the {} family", c.name,
                encoder_family_name(c.family));
  std::vector<std::uint64_t> sorted(globals.begin(), globals.end());
  std::sort(sorted.begin(), sorted.end());
  if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end())
    return fail(ErrorKind::usage, "[encode] global token {} is given twice", *twice);
  if (!sorted.empty() && sorted.back() >= tokens.size())
    return fail(ErrorKind::usage, "[encode] global token {}, the text has {} tokens (0 to {})", sorted.back(),
                tokens.size(), tokens.size() - 1);
  return sorted;
}

Result<EncodedText> Encoder::encode(std::span<const std::int32_t> tokens, std::span<const std::uint64_t> globals) {
  TOME_ASSIGN(const std::vector<std::uint64_t> sorted, check(tokens, globals));
  const EncoderConfig& c = config();
  Scratch& s = *scratch_;
  tokens_ = tokens.size();
  for (AlignedBuffer<float>* rows : {&s.hidden, &s.query, &s.key, &s.value, &s.context, &s.projected})
    rows->reserve(tokens_ * c.hidden);
  embed(tokens);
  for (std::size_t layer = 0; layer < c.layers; ++layer) {
    if (cancel_requested()) return fail(ErrorKind::cancelled, "[encode] stopped in layer {} of {}", layer, c.layers);
    attend(layer, sorted);
    feed_forward(weights_.layers[layer]);
  }
  EncodedText text;
  text.states.assign(s.hidden.data(), s.hidden.data() + tokens_ * c.hidden);
  if (weights_.file->has_pooler) {
    text.pooled.resize(c.hidden);
    linear(weights_.pooler, s.hidden.data(), 1, text.pooled.data());
    for (float& value : text.pooled) value = std::tanh(value);
  }
  return text;
}

/// LayerNorm(scale · word + position + type 0).
void Encoder::embed(std::span<const std::int32_t> tokens) {
  const EncoderConfig& c = config();
  Scratch& s = *scratch_;
  std::vector<std::uint64_t> positions(tokens.size());
  std::uint64_t next = c.family == EncoderFamily::longformer ? c.pad + std::uint64_t{1} : 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool padding = c.family == EncoderFamily::longformer && static_cast<std::uint32_t>(tokens[i]) == c.pad;
    positions[i] = padding ? c.pad : next++;
  }
  for_each_row(tokens.size(), [&](std::size_t i) {
    float* to = s.hidden.data() + i * c.hidden;
    float* position = s.projected.data() + i * c.hidden;
    const TensorView &words = weights_.word_embedding, &table = weights_.position_embedding;
    kernels::dequantize_row(words.type, words.row(static_cast<std::uint64_t>(tokens[i])), c.hidden, to);
    kernels::dequantize_row(table.type, table.row(positions[i]), c.hidden, position);
    for (std::size_t k = 0; k < c.hidden; ++k)
      to[k] = to[k] * c.embedding_scale + weights_.type_embedding[k] + position[k];
    const NormWeights& norm = weights_.embedding_norm;
    kernels::layer_norm(to, norm.weight.data(), norm.bias.data(), c.norm_epsilon, c.hidden, to);
  });
}

void Encoder::linear(const LinearWeights& weights, const float* input, std::size_t rows, float* output) {
  const std::size_t outputs = weights.weight.rows();
  const kernels::MatmulWeight group[] = {{&weights.weight, output, outputs}};
  kernels::matmul({input, static_cast<int>(rows), static_cast<int>(weights.weight.columns())}, group,
                  options_.fp32 ? kernels::ProductPrecision::fp32 : kernels::ProductPrecision::native,
                  scratch_->matmul);
  if (weights.bias.empty()) return;
  for_each_row(rows, [&](std::size_t row) {
    for (std::size_t k = 0; k < outputs; ++k) output[row * outputs + k] += weights.bias[k];
  });
}

/// hidden ← LayerNorm(hidden + projected).
void Encoder::add_and_norm(const NormWeights& norm, std::size_t rows) {
  const EncoderConfig& c = config();
  for_each_row(rows, [&](std::size_t row) {
    float* hidden = scratch_->hidden.data() + row * c.hidden;
    const float* projected = scratch_->projected.data() + row * c.hidden;
    for (std::size_t k = 0; k < c.hidden; ++k) hidden[k] += projected[k];
    kernels::layer_norm(hidden, norm.weight.data(), norm.bias.data(), c.norm_epsilon, c.hidden, hidden);
  });
}

void Encoder::attend(std::size_t layer, const std::vector<std::uint64_t>& globals) {
  const EncoderConfig& c = config();
  const EncoderLayerWeights& w = weights_.layers[layer];
  Scratch& s = *scratch_;
  linear(w.query, s.hidden.data(), tokens_, s.query.data());
  linear(w.key, s.hidden.data(), tokens_, s.key.data());
  linear(w.value, s.hidden.data(), tokens_, s.value.data());
  s.text.pack(s.key.data(), s.value.data(), tokens_);
  TwoSidedRequest request{.queries = s.query.data(),
                          .count = tokens_,
                          .score_scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim)),
                          .keys = &s.text,
                          .output = s.context.data()};
  std::unique_ptr<const TwoSidedPattern> pattern;
  if (c.family == EncoderFamily::longformer)
    pattern = std::make_unique<LongformerWindow>(tokens_, c.windows[layer] / 2, globals);
  else if (c.block_sparse && tokens_ > c.full_attention_up_to())
    pattern = std::make_unique<BigBirdBlocks>(tokens_, c.block, c.random_blocks);
  request.pattern = pattern.get();
  if (!globals.empty()) {
    gather(s.key.data(), globals, s.gathered_key);
    gather(s.value.data(), globals, s.gathered_value);
    s.globals.pack(s.gathered_key.data(), s.gathered_value.data(), globals.size());
    request.seen_by_all = &s.globals;
  }
  two_sided_attention(request);
  if (!globals.empty()) attend_globally(w, globals);
  linear(w.attention_output, s.context.data(), tokens_, s.projected.data());
  add_and_norm(w.attention_norm, tokens_);
}

/// The rows of some tokens, one after the other.
void Encoder::gather(const float* rows, const std::vector<std::uint64_t>& tokens, AlignedBuffer<float>& to) const {
  const std::size_t width = config().hidden;
  to.reserve(tokens.size() * width);
  for (std::size_t i = 0; i < tokens.size(); ++i) std::copy_n(rows + tokens[i] * width, width, to.data() + i * width);
}

/// What global tokens themselves see: every token, through projections of their own.
void Encoder::attend_globally(const EncoderLayerWeights& w, const std::vector<std::uint64_t>& globals) {
  const EncoderConfig& c = config();
  Scratch& s = *scratch_;
  linear(w.global_key, s.hidden.data(), tokens_, s.key.data());
  linear(w.global_value, s.hidden.data(), tokens_, s.value.data());
  s.text.pack(s.key.data(), s.value.data(), tokens_);
  gather(s.hidden.data(), globals, s.gathered_key);
  linear(w.global_query, s.gathered_key.data(), globals.size(), s.query.data());
  two_sided_attention({.queries = s.query.data(),
                       .count = globals.size(),
                       .score_scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim)),
                       .keys = &s.text,
                       .output = s.gathered_value.data()});
  for (std::size_t i = 0; i < globals.size(); ++i)
    std::copy_n(s.gathered_value.data() + i * c.hidden, c.hidden, s.context.data() + globals[i] * c.hidden);
}

void Encoder::feed_forward(const EncoderLayerWeights& w) {
  const EncoderConfig& c = config();
  Scratch& s = *scratch_;
  s.inner.reserve(std::min(tokens_, kRowsAtOnce) * c.feed_forward);
  for (std::size_t start = 0; start < tokens_; start += kRowsAtOnce) {
    const std::size_t rows = std::min(kRowsAtOnce, tokens_ - start);
    linear(w.up, s.hidden.data() + start * c.hidden, rows, s.inner.data());
    for_each_row(
        rows, [&](std::size_t row) { activate(c.activation, s.inner.data() + row * c.feed_forward, c.feed_forward); });
    linear(w.down, s.inner.data(), rows, s.projected.data() + start * c.hidden);
  }
  add_and_norm(w.output_norm, tokens_);
}

void Encoder::fill(std::span<const float> states, const LogitsFunction& logits) {
  CHECK(has_head());
  const EncoderConfig& c = config();
  Scratch& s = *scratch_;
  CHECK(states.size() % c.hidden == 0);
  const std::size_t count = states.size() / c.hidden;
  s.logits.reserve(std::min(count, kLogitRows) * c.vocabulary);
  s.inner.reserve(std::min(count, kLogitRows) * c.hidden);
  for (std::size_t start = 0; start < count; start += kLogitRows) {
    const std::size_t rows = std::min(kLogitRows, count - start);
    linear(weights_.head, states.data() + start * c.hidden, rows, s.inner.data());
    for_each_row(rows, [&](std::size_t row) {
      float* values = s.inner.data() + row * c.hidden;
      activate(c.head_activation, values, c.hidden);
      kernels::layer_norm(values, weights_.head_norm.weight.data(), weights_.head_norm.bias.data(), c.norm_epsilon,
                          c.hidden, values);
    });
    linear(weights_.head_output, s.inner.data(), rows, s.logits.data());
    for (std::size_t row = 0; row < rows; ++row)
      logits(start + row, {s.logits.data() + row * c.vocabulary, c.vocabulary});
  }
}

}  // namespace tome
