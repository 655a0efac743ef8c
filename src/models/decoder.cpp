#include "models/decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "attention/partial_merge.h"
#include "base/check.h"
#include "base/near_lines.h"
#include "base/thread_pool.h"
#include "kernels/dequantize.h"
#include "tensor/interleaved_rows.h"

namespace tome {
namespace {

using kernels::MatmulWeight;
using kernels::ProductPrecision;

constexpr int kTokensATask = 8;

/// Runs work(token) for every token, some tokens a task.
template <class Work>
void for_each_token(int tokens, const Work& work) {
  parallel_for((tokens + kTokensATask - 1) / kTokensATask, [&](std::int64_t block, int) {
    const int first = static_cast<int>(block) * kTokensATask;
    for (int token = first; token < std::min(tokens, first + kTokensATask); ++token) work(token);
  });
}

void add(float* to, const float* values, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] += values[i];
}

/// Before the rows of a few tokens, which all threads have written, are taken by this one.
void bring_rows(const float* rows, int tokens, std::size_t width) {
  if (tokens <= kTokensATask) bring_near(rows, static_cast<std::size_t>(tokens) * width);
}

std::uint64_t largest_mapped(const PositionMap& map, std::uint64_t last) {
  switch (map.kind) {
    case PositionMap::Kind::modulo:
      return std::max(map(last), last + 1 >= map.period ? map.period - 1 + map.add : map(last));
    default:
      return map(last);
  }
}

}  // namespace

/// Consecutive tokens of one sequence within the batch. All of them make keys; those from `asked` on make queries too,
/// which lie from row `query_row` on: the last layer is asked for fewer rows than it reads.
struct Decoder::Run {
  SequenceState* sequence;
  int first, count;
  std::uint64_t position;
  int asked, query_row;
  int queries() const { return count - asked; }
  bool holds(const HeadProbe& probe) const {
    return static_cast<int>(probe.first) >= first && static_cast<int>(probe.last) <= first + count;
  }
  /// The probe's rows among the run's queries.
  std::pair<int, int> queries_of(const HeadProbe& probe) const {
    return {static_cast<int>(probe.first) - first - asked, static_cast<int>(probe.last) - first - asked};
  }
};

struct Decoder::Scratch {
  AlignedBuffer<float> hidden, normed, query, key, value, context, projected, gated, lse, part_output, part_lse, logits;
  AlignedBuffer<std::byte> coded;
  kernels::MatmulScratch matmul;
  AttentionScratch attention;
  std::vector<RotationRows> rows[2];                  // per part of plans_[full, local]
  std::shared_ptr<const AttentionPattern> streaming;  // of a skim's lower layers
};

Decoder::Decoder(DecoderWeights weights, const Options& options)
    : weights_(std::move(weights)), options_(options), scratch_(std::make_unique<Scratch>()) {}
Decoder::~Decoder() = default;

const ModelConfig& Decoder::config() const { return weights_.file->config; }

void Decoder::set_positions(const PositionPlan& full, const PositionPlan& local) {
  plans_[0] = full;
  plans_[1] = local;
  for (int kind = 0; kind < 2; ++kind) {
    scratch_->rows[kind].clear();
    for (const PositionPart& part : plans_[kind].parts) scratch_->rows[kind].emplace_back(part.table);
  }
}

Result<SequenceState> Decoder::new_state(DType kv_type, const ReadingDepth& depth) const {
  const ModelConfig& c = config();
  TOME_ASSIGN(const KvLayout layout, KvLayout::create(kv_type, c.kv_heads, c.head_dim));
  std::vector<LayerState> layers;
  if (!depth.keys_of) {
    for (std::size_t layer = 0; layer < c.layers; ++layer)
      layers.emplace_back(PagedKv(layout, c.local_layers[layer] ? c.sliding_window : 0));
    return SequenceState(std::move(layers));
  }
  if (*depth.keys_of >= c.layers)
    return fail(ErrorKind::usage, "keys of layer {}: the model has {} layers", *depth.keys_of, c.layers);
  for (std::size_t layer = 0; layer < *depth.keys_of; ++layer)
    layers.emplace_back(c.local_layers[layer] ? PagedKv(layout, c.sliding_window)
                                              : PagedKv(layout, depth.window, depth.sinks));
  TOME_ASSIGN(const KvLayout keys, KvLayout::create(kv_type, c.kv_heads, c.head_dim, KvParts::keys));
  layers.emplace_back(PagedKv(keys, c.local_layers[*depth.keys_of] ? c.sliding_window : 0));
  return SequenceState(std::move(layers));
}

std::uint64_t Decoder::kv_bytes(DType kv_type, std::uint64_t tokens, std::uint64_t chunk,
                                const ReadingDepth& depth) const {
  const auto state = new_state(kv_type, depth);
  if (!state) return 0;
  std::uint64_t total = 0;
  for (std::size_t layer = 0; layer < state->layer_count(); ++layer) {
    const PagedKv& kv = state->kv(layer);
    const std::uint64_t kept =
        kv.window() != 0 ? std::min(tokens, kv.window() + kv.sinks() + chunk + 2 * kPageKeys) : tokens;
    total += (kept + kPageKeys - 1) / kPageKeys * kv.layout().page_bytes();
  }
  return total;
}

void Decoder::forward(const Batch& batch, const LogitsFunction& logits, std::span<HeadProbe> probes) {
  const ModelConfig& c = config();
  Scratch& s = *scratch_;
  const int tokens = static_cast<int>(batch.size());
  const auto n = static_cast<std::size_t>(tokens);
  std::vector<Run> runs;
  for (int i = 0; i < tokens; ++i) {
    const BatchToken& token = batch[static_cast<std::size_t>(i)];
    if (!runs.empty() && runs.back().sequence == token.sequence) {
      CHECK(token.position == runs.back().position + static_cast<std::uint64_t>(runs.back().count));
      ++runs.back().count;
      continue;
    }
    CHECK(token.position == token.sequence->length());
    for (const Run& run : runs) CHECK(run.sequence != token.sequence);
    runs.push_back({token.sequence, i, 1, token.position, 0, i});
  }
  s.hidden.reserve(n * c.hidden);
  s.normed.reserve(n * c.hidden);
  s.query.reserve(n * c.heads * c.head_dim);
  s.key.reserve(n * c.kv_heads * c.head_dim);
  s.value.reserve(n * c.kv_heads * c.head_dim);
  s.context.reserve(n * c.heads * c.head_dim);
  s.projected.reserve(n * c.hidden);
  s.gated.reserve(n * c.feed_forward);
  s.lse.reserve(n * c.heads);

  for_each_token(tokens, [&](int i) {
    float* to = s.hidden.data() + static_cast<std::size_t>(i) * c.hidden;
    const TensorView& table = weights_.token_embedding;
    const auto token = static_cast<std::uint64_t>(batch[static_cast<std::size_t>(i)].token);
    std::vector<std::byte> apart;
    kernels::dequantize_row(table.type, rows_apart(table, token, 1, apart), c.hidden, to);
    if (c.embedding_scale != 1.0f)
      for (std::size_t k = 0; k < c.hidden; ++k) to[k] *= c.embedding_scale;
  });
  const SequenceState& shape = *runs[0].sequence;
  const std::size_t depth = shape.layer_count();
  const bool skim = shape.kv(depth - 1).layout().parts == KvParts::keys;
  for (const Run& run : runs) {
    CHECK(run.sequence->layer_count() == depth);
    CHECK((run.sequence->kv(depth - 1).layout().parts == KvParts::keys) == skim);
  }
  for (const BatchToken& token : batch) CHECK(!skim || !token.wants_logits);
  for (std::size_t layer = 0; layer + 1 < depth; ++layer) {
    attention(layer, runs, probes);
    feed_forward(layer, tokens);
  }
  const int asked = ask_last_layer(depth - 1, batch, runs, probes);
  if (skim) {
    make_keys(depth - 1, runs, probes);
  } else {
    attention(depth - 1, runs, probes);
    if (asked > 0) feed_forward(depth - 1, asked);
  }
  for (const Run& run : runs) run.sequence->set_length(run.position + static_cast<std::uint64_t>(run.count));
  logits_of(batch, runs, logits);
}

/// Nobody reads what the last layer makes of a token but its logits and probes: of a prompt, one row in thousands.
/// Leaves out of each run's queries what lies before the first that is wanted. Returns how many are left.
int Decoder::ask_last_layer(std::size_t layer, const Batch& batch, std::vector<Run>& runs,
                            std::span<const HeadProbe> probes) {
  int total = 0;
  for (Run& run : runs) {
    const auto first = static_cast<std::size_t>(run.first);
    run.asked = 0;
    while (run.asked < run.count && !batch[first + static_cast<std::size_t>(run.asked)].wants_logits) ++run.asked;
    for (const HeadProbe& probe : probes)
      if (probe.layer == layer && run.holds(probe))
        run.asked = std::min(run.asked, static_cast<int>(probe.first) - run.first);
    run.query_row = total;
    total += run.queries();
  }
  return total;
}

/// Leaves of [tokens, width] the rows that make queries, in place.
void Decoder::keep_asked(const std::vector<Run>& runs, float* rows, std::size_t width) {
  for (const Run& run : runs)
    std::memmove(rows + static_cast<std::size_t>(run.query_row) * width,
                 rows + static_cast<std::size_t>(run.first + run.asked) * width,
                 static_cast<std::size_t>(run.queries()) * width * sizeof(float));
}

/// The weights that come after a layer: those that the next begins with, or the vocabulary's.
void Decoder::expect_after(std::size_t layer, int tokens) {
  if (layer + 1 < weights_.layers.size()) return expect_layer(layer + 1, tokens);
  const MatmulWeight output[] = {{&weights_.output}};
  kernels::expect_weights(output, tokens);
}

/// The weights that a layer begins with.
void Decoder::expect_layer(std::size_t layer, int tokens) {
  const LayerWeights& w = weights_.layers[layer];
  const MatmulWeight inputs[] = {{&w.key}, {&w.value}, {&w.query}};
  kernels::expect_weights(inputs, tokens);
}

/// The pages that the threads begin a single token's attention with, about.
void Decoder::expect_keys(std::size_t layer, const std::vector<Run>& runs) {
  if (runs.size() != 1 || runs[0].count != 1) return;
  const PagedKv& cache = runs[0].sequence->kv(layer);
  const std::uint64_t first = cache.first_kept() / kPageKeys,
                      pages = (runs[0].position + kPageKeys - 1) / kPageKeys - first;
  if (pages < 2 * static_cast<std::uint64_t>(thread_count())) return;
  for (int thread = 0; thread < thread_count(); ++thread) {
    const auto page = static_cast<std::uint64_t>(first_of_run(thread, static_cast<std::int64_t>(pages)));
    expect_reads(thread, cache.page(first + page), cache.layout().page_bytes());
  }
}

void Decoder::attention(std::size_t layer, const std::vector<Run>& runs, std::span<HeadProbe> probes) {
  const ModelConfig& c = config();
  const LayerWeights& w = weights_.layers[layer];
  Scratch& s = *scratch_;
  const auto& k = kernels::kernels();
  const int tokens = runs.back().first + runs.back().count, hidden = static_cast<int>(c.hidden);
  const int asked = runs.back().query_row + runs.back().queries();
  const std::size_t dims = c.head_dim, query_width = c.heads * dims, kv_width = c.kv_heads * dims;
  const ProductPrecision precision = options_.fp32 ? ProductPrecision::fp32 : ProductPrecision::native;

  for_each_token(tokens, [&](int i) {
    const std::size_t at = static_cast<std::size_t>(i) * c.hidden;
    k.rms_norm(s.hidden.data() + at, w.attention_norm.data(), c.norm_epsilon, hidden, s.normed.data() + at);
  });
  const MatmulWeight inputs[] = {
      {&w.key, s.key.data(), kv_width}, {&w.value, s.value.data(), kv_width}, {&w.query, s.query.data(), query_width}};
  if (asked == tokens) {
    expect_keys(layer, runs);
    kernels::matmul({s.normed.data(), tokens, hidden}, inputs, precision, s.matmul);
    for (const MatmulWeight& made : inputs) bring_rows(made.output, tokens, made.output_stride);
  } else {
    kernels::matmul({s.normed.data(), tokens, hidden}, std::span(inputs).first(2), precision, s.matmul);
    keep_asked(runs, s.normed.data(), c.hidden);
    keep_asked(runs, s.hidden.data(), c.hidden);
    if (asked > 0) kernels::matmul({s.normed.data(), asked, hidden}, std::span(inputs).subspan(2), precision, s.matmul);
  }
  const MatmulWeight output[] = {{&w.attention_output, s.projected.data(), c.hidden}};
  kernels::expect_weights(output, asked);
  for (const Run& run : runs) attend(layer, run, probes);
  if (asked == 0) return;

  bring_rows(s.context.data(), asked, query_width);
  const MatmulWeight gated[] = {{.weight = &w.up, .gate = &w.gate}};
  kernels::expect_weights(gated, asked);
  kernels::matmul({s.context.data(), asked, static_cast<int>(query_width)}, output, precision, s.matmul);
  bring_rows(s.projected.data(), asked, c.hidden);
  for_each_token(asked, [&](int i) {
    const std::size_t at = static_cast<std::size_t>(i) * c.hidden;
    if (c.post_norms)
      k.rms_norm(s.projected.data() + at, w.post_attention_norm.data(), c.norm_epsilon, hidden,
                 s.projected.data() + at);
    add(s.hidden.data() + at, s.projected.data() + at, c.hidden);
  });
}

void Decoder::make_keys(std::size_t layer, const std::vector<Run>& runs, std::span<HeadProbe> probes) {
  const ModelConfig& c = config();
  const LayerWeights& w = weights_.layers[layer];
  Scratch& s = *scratch_;
  const int tokens = runs.back().first + runs.back().count, hidden = static_cast<int>(c.hidden);
  const int asked = runs.back().query_row + runs.back().queries();
  const ProductPrecision precision = options_.fp32 ? ProductPrecision::fp32 : ProductPrecision::native;
  for_each_token(tokens, [&](int i) {
    const std::size_t at = static_cast<std::size_t>(i) * c.hidden;
    kernels::kernels().rms_norm(s.hidden.data() + at, w.attention_norm.data(), c.norm_epsilon, hidden,
                                s.normed.data() + at);
  });
  const MatmulWeight keys[] = {{&w.key, s.key.data(), c.kv_heads * c.head_dim}};
  kernels::matmul({s.normed.data(), tokens, hidden}, keys, precision, s.matmul);
  if (asked > 0) {
    keep_asked(runs, s.normed.data(), c.hidden);
    const MatmulWeight queries[] = {{&w.query, s.query.data(), c.heads * c.head_dim}};
    kernels::matmul({s.normed.data(), asked, hidden}, queries, precision, s.matmul);
  }
  for (const Run& run : runs) {
    const std::vector<AttentionRequest> requests = append(layer, run);
    float* lse = s.lse.data() + static_cast<std::size_t>(run.query_row) * c.heads;
    for (HeadProbe& wanted : probes) {
      if (wanted.layer != layer || !run.holds(wanted)) continue;
      const auto [first, last] = run.queries_of(wanted);
      attention_lse(requests[0], wanted.head, first, last, lse, s.attention);
      s.part_lse.reserve(static_cast<std::size_t>(run.queries()) * c.heads);
      for (std::size_t part = 1; part < requests.size(); ++part) {
        attention_lse(requests[part], wanted.head, first, last, s.part_lse.data(), s.attention);
        for (int row = first; row < last; ++row) {
          const std::size_t at = static_cast<std::size_t>(row) * c.heads + wanted.head;
          merge_partial(nullptr, lse[at], nullptr, s.part_lse[at], 0);
        }
      }
      probe(requests, wanted, run, lse);
    }
    run.sequence->kv(layer).drop_invisible();
  }
}

/// Turns the run's keys and queries, stores keys and values, and returns the attention over them, one request a part of
/// the position plan.
std::vector<AttentionRequest> Decoder::append(std::size_t layer, const Run& run) {
  const ModelConfig& c = config();
  const LayerWeights& w = weights_.layers[layer];
  Scratch& s = *scratch_;
  const auto& k = kernels::kernels();
  const bool local = c.local_layers[layer];
  const PositionPlan& plan = plans_[local ? 1 : 0];
  std::vector<RotationRows>& rows = s.rows[local ? 1 : 0];
  const std::size_t dims = c.head_dim, query_width = c.heads * dims, kv_width = c.kv_heads * dims;
  const std::uint64_t end = run.position + static_cast<std::uint64_t>(run.count);
  const bool stored_rotated = plan.keys_stored_rotated();
  if (stored_rotated) {
    rows[0].assign(run.position, static_cast<std::uint64_t>(run.count));
  } else {
    for (std::size_t part = 0; part < plan.parts.size(); ++part) {
      rows[part].extend(largest_mapped(plan.parts[part].query_map, end - 1));
      rows[part].extend(largest_mapped(plan.parts[part].key_map, end - 1));
    }
  }
  PagedKv& cache = run.sequence->kv(layer);
  const bool with_values = cache.layout().parts == KvParts::keys_and_values;
  cache.reserve(end);
  const auto turn_token = [&](int i) {
    const auto at = static_cast<std::size_t>(run.first + i);
    const std::uint64_t position = run.position + static_cast<std::uint64_t>(i);
    float* key = s.key.data() + at * kv_width;
    float* value = s.value.data() + at * kv_width;
    if (!w.key_bias.empty()) add(key, w.key_bias.data(), kv_width);
    if (with_values && !w.value_bias.empty()) add(value, w.value_bias.data(), kv_width);
    const auto turn = [&](float* head, const std::vector<float>& norm) {
      if (c.qk_norm) k.rms_norm(head, norm.data(), c.norm_epsilon, static_cast<int>(dims), head);
      if (stored_rotated)
        rotate_head(head, dims, c.rope_pairs, rows[0], position);
      else
        order_pairs_as_halves(head, c.rope_dims, c.rope_pairs);
    };
    if (i >= run.asked) {
      float* query = s.query.data() + static_cast<std::size_t>(run.query_row + i - run.asked) * query_width;
      if (!w.query_bias.empty()) add(query, w.query_bias.data(), query_width);
      for (std::size_t head = 0; head < c.heads; ++head) turn(query + head * dims, w.query_norm);
    }
    for (std::size_t head = 0; head < c.kv_heads; ++head) turn(key + head * dims, w.key_norm);
  };
  const auto write_token = [&](int i) {
    const std::size_t at = static_cast<std::size_t>(run.first + i) * kv_width;
    for (std::size_t head = 0; head < c.kv_heads; ++head)
      cache.write(run.position + static_cast<std::uint64_t>(i), static_cast<std::uint32_t>(head),
                  s.key.data() + at + head * dims, s.value.data() + at + head * dims);
  };
  const auto count = static_cast<std::size_t>(run.count);
  if (cache.wants_fit(count, stored_rotated)) {
    for_each_token(run.count, turn_token);
    cache.fit_to_keys(s.key.data() + static_cast<std::size_t>(run.first) * kv_width, kv_width, count);
    for_each_token(run.count, write_token);
  } else {
    for_each_token(run.count, [&](int i) {
      turn_token(i);
      write_token(i);
    });
  }
  cache.commit(end);

  std::vector<AttentionRequest> requests;
  for (std::size_t part = 0; part < plan.parts.size(); ++part) {
    AttentionRequest request;
    request.shape = {c.heads, c.kv_heads, c.head_dim, c.attention_scale * plan.parts[part].table.softmax_scale};
    request.keys = &cache;
    request.queries = s.query.data() + static_cast<std::size_t>(run.query_row) * query_width;
    request.query_stride = query_width;
    request.first_position = run.position + static_cast<std::uint64_t>(run.asked);
    request.tokens = run.queries();
    request.visible = {cache.window(), plan.parts[part].keys, patterns_.empty() ? nullptr : patterns_[layer].get()};
    if (request.visible.pattern != nullptr && request.visible.pattern->top_pages() > 0) {
      if (cache.window() == 0 && with_values) {  // a skim's lower layers see a window, its last one is not attended to
        request.top_pages = request.visible.pattern->top_pages();
        request.bounds = &run.sequence->bounds(layer);
      }
      request.visible.pattern = nullptr;
    }
    if (cache.sinks() > 0) {  // a skim's lower layer streams, whatever the pattern of the whole model's
      const PatternOptions streaming{.kind = PatternKind::streaming, .window = cache.window(), .sinks = cache.sinks()};
      if (s.streaming == nullptr || s.streaming->description() != describe_pattern(streaming))
        s.streaming = AttentionPattern::create(streaming, 0);
      request.visible.window = 0;
      request.visible.pattern = s.streaming.get();
    }
    if (!stored_rotated) request.rotation = {&plan.parts[part], &rows[part]};
    request.precision = options_.fp32 ? AttentionPrecision::fp32 : options_.attention;
    requests.push_back(request);
  }
  return requests;
}

void Decoder::attend(std::size_t layer, const Run& run, std::span<HeadProbe> probes) {
  const ModelConfig& c = config();
  Scratch& s = *scratch_;
  const std::vector<AttentionRequest> requests = append(layer, run);
  if (run.queries() > 0) {
    const std::size_t dims = c.head_dim, query_width = c.heads * dims;
    const auto first = static_cast<std::size_t>(run.query_row), count = static_cast<std::size_t>(run.queries());
    const PartialAttention result{s.context.data() + first * query_width, s.lse.data() + first * c.heads};
    flash_attention(requests[0], result, s.attention);
    for (std::size_t part = 1; part < requests.size(); ++part) {
      s.part_output.reserve(count * query_width);
      s.part_lse.reserve(count * c.heads);
      flash_attention(requests[part], {s.part_output.data(), s.part_lse.data()}, s.attention);
      for (std::size_t row = 0; row < count * c.heads; ++row)
        merge_partial(result.output + row * dims, result.lse[row], s.part_output.data() + row * dims, s.part_lse[row],
                      dims);
    }
    for (HeadProbe& wanted : probes)
      if (wanted.layer == layer && run.holds(wanted)) probe(requests, wanted, run, result.lse);
  }
  run.sequence->kv(layer).drop_invisible();
}

void Decoder::probe(const std::vector<AttentionRequest>& requests, HeadProbe& wanted, const Run& run,
                    const float* lse) {
  wanted.probabilities.resize(run.position + static_cast<std::uint64_t>(run.count), 0.0f);
  const auto [first, last] = run.queries_of(wanted);
  for (const AttentionRequest& request : requests) {
    if (request.top_pages > 0) {  // the pass knows its chosen pages only; evidence is of all keys
      scratch_->part_lse.reserve(static_cast<std::size_t>(run.queries()) * request.shape.heads);
      attention_lse(request, wanted.head, first, last, scratch_->part_lse.data(), scratch_->attention);
      lse = scratch_->part_lse.data();
    }
    add_attention_probabilities(request, wanted.head, lse, first, last, wanted.probabilities, scratch_->attention);
  }
}

void Decoder::feed_forward(std::size_t layer, int tokens) {
  const ModelConfig& c = config();
  const LayerWeights& w = weights_.layers[layer];
  Scratch& s = *scratch_;
  const auto& k = kernels::kernels();
  const int hidden = static_cast<int>(c.hidden), width = static_cast<int>(c.feed_forward);
  const bool silu = c.activation == Activation::silu;
  const ProductPrecision precision = options_.fp32 ? ProductPrecision::fp32 : ProductPrecision::native;
  for_each_token(tokens, [&](int i) {
    const std::size_t at = static_cast<std::size_t>(i) * c.hidden;
    k.rms_norm(s.hidden.data() + at, w.feed_forward_norm.data(), c.norm_epsilon, hidden, s.normed.data() + at);
  });
  std::byte* coded = nullptr;
  if (kernels::take_codes(w.down, tokens, precision)) {
    s.coded.reserve(static_cast<std::size_t>(tokens) * kernels::coded_input_bytes(width));
    coded = s.coded.data();
  }
  const MatmulWeight gated[] = {
      {&w.up, s.gated.data(), c.feed_forward, &w.gate, silu ? k.gated_silu : k.gated_gelu_tanh, coded}};
  const MatmulWeight output[] = {{&w.down, s.projected.data(), c.hidden}};
  kernels::expect_weights(output, tokens);
  kernels::matmul({s.normed.data(), tokens, hidden}, gated, precision, s.matmul);
  if (coded == nullptr) bring_rows(s.gated.data(), tokens, c.feed_forward);
  expect_after(layer, tokens);
  kernels::matmul({s.gated.data(), tokens, width, coded}, output, precision, s.matmul);
  bring_rows(s.projected.data(), tokens, c.hidden);
  for_each_token(tokens, [&](int i) {
    const std::size_t at = static_cast<std::size_t>(i) * c.hidden;
    if (c.post_norms)
      k.rms_norm(s.projected.data() + at, w.post_feed_forward_norm.data(), c.norm_epsilon, hidden,
                 s.projected.data() + at);
    add(s.hidden.data() + at, s.projected.data() + at, c.hidden);
  });
}

/// Of a batch whose last layer left the rows that its runs asked for.
void Decoder::logits_of(const Batch& batch, const std::vector<Run>& runs, const LogitsFunction& logits) {
  constexpr std::size_t step = 64;  // rows at a time: a vocabulary of 262144 makes 1 MiB a row
  const ModelConfig& c = config();
  Scratch& s = *scratch_;
  struct Wanted {
    std::size_t index, row;
  };
  std::vector<Wanted> wanted;
  for (const Run& run : runs)
    for (int i = run.asked; i < run.count; ++i)
      if (const auto index = static_cast<std::size_t>(run.first + i); batch[index].wants_logits)
        wanted.push_back({index, static_cast<std::size_t>(run.query_row + i - run.asked)});
  for (std::size_t start = 0; start < wanted.size(); start += step) {
    const std::size_t count = std::min(step, wanted.size() - start);
    for (std::size_t row = 0; row < count; ++row)
      kernels::kernels().rms_norm(s.hidden.data() + wanted[start + row].row * c.hidden, weights_.output_norm.data(),
                                  c.norm_epsilon, static_cast<int>(c.hidden), s.normed.data() + row * c.hidden);
    s.logits.reserve(count * c.vocabulary);
    const MatmulWeight output[] = {{&weights_.output, s.logits.data(), c.vocabulary}};
    expect_layer(0, static_cast<int>(count));
    kernels::matmul({s.normed.data(), static_cast<int>(count), static_cast<int>(c.hidden)}, output,
                    options_.fp32 ? ProductPrecision::fp32 : ProductPrecision::native, s.matmul);
    for (std::size_t row = 0; row < count; ++row) {
      const std::span<float> values(s.logits.data() + row * c.vocabulary, c.vocabulary);
      if (c.final_logit_softcap > 0.0f)
        for (float& value : values) value = c.final_logit_softcap * std::tanh(value / c.final_logit_softcap);
      logits(wanted[start + row].index, values);
    }
  }
}

}  // namespace tome
