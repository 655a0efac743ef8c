// Single heads from keys alone: their LSE, and how much of their attention each key got (flash.h).
#include <vector>

#include "attention/query_tile.h"
#include "base/thread_pool.h"

namespace tome {
namespace {

using namespace query_tile;

/// visit(task, token, first key, scores): the masked scores (times log2 e) of one head for every row of
/// [first_token, last_token) and every run of kTilePages pages, each run a task of its own, so that no two threads see
/// the same key. Returns the number of tasks.
template <class Element, class Visit>
std::uint64_t for_each_score_row(const AttentionRequest& r, std::uint32_t head, int first_token, int last_token,
                                 AttentionScratch& scratch, const Visit& visit) {
  const KvLayout& layout = r.keys->layout();
  const std::uint32_t group = r.shape.heads / r.shape.kv_heads, kv_head = head / group;
  const VisibleKeys visible = r.visible.for_kv_head(kv_head);
  TileMemory<Element> measure;
  const std::size_t memory_bytes = TileMemory<Element>::carve(nullptr, layout, kTileRows, &measure);
  scratch.threads.reserve(memory_bytes * static_cast<std::size_t>(thread_count()));
  const std::uint64_t end = r.visible.of(r.first_position + static_cast<std::uint64_t>(last_token) - 1).end;
  const std::uint64_t first_page = r.keys->first_kept() / kPageKeys, pages = (end + kPageKeys - 1) / kPageKeys;
  if (pages <= first_page) return 0;
  const std::uint64_t tasks = (pages - first_page + kTilePages - 1) / kTilePages;
  parallel_for(static_cast<std::int64_t>(tasks), [&](std::int64_t index, int thread) {
    TileMemory<Element> memory;
    TileMemory<Element>::carve(scratch.threads.data() + memory_bytes * static_cast<std::size_t>(thread), layout,
                               kTileRows, &memory);
    const std::uint64_t page = first_page + static_cast<std::uint64_t>(index) * kTilePages;
    PageRun step;
    step.count = static_cast<int>(std::min<std::uint64_t>(kTilePages, pages - page));
    const Element* keys[kTilePages];
    const std::uint64_t* words[kTilePages];
    for (int i = 0; i < step.count; ++i) {
      step.pages[i] = page + static_cast<std::uint64_t>(i);
      step.coverage[i] = TileCoverage::some;
    }
    load_step_keys(r, kv_head, step, memory, keys);
    for (int token = first_token; token < last_token; token += kTileRows) {
      const int tokens = std::min(kTileRows, last_token - token);
      load_queries(r, kv_head, token, tokens, head % group, 1, memory);
      find_visible(r, visible, step, token, tokens, 1, memory, words);
      score_panels(r, memory, keys, words, step.count, tokens);
      const std::uint64_t first_key = page * kPageKeys;
      const auto count =
          static_cast<std::size_t>(std::min(end - first_key, static_cast<std::uint64_t>(step.count) * kPageKeys));
      for (int row = 0; row < tokens; ++row)
        visit(static_cast<std::size_t>(index), token + row, first_key,
              std::span<const float>(memory.scores + static_cast<std::size_t>(row) * kTileKeys, count));
    }
  });
  return tasks;
}

template <class Element>
void add_probabilities(const AttentionRequest& r, std::uint32_t head, const float* lse, int first_token, int last_token,
                       std::span<float> probabilities, AttentionScratch& scratch) {
  for_each_score_row<Element>(
      r, head, first_token, last_token, scratch,
      [&](std::size_t, int token, std::uint64_t first_key, std::span<const float> scores) {
        const double row_lse =
            static_cast<double>(lse[static_cast<std::size_t>(token) * r.shape.heads + head]) * kLog2E;
        for (std::size_t key = 0; key < scores.size(); ++key)
          probabilities[first_key + key] += static_cast<float>(std::exp2(static_cast<double>(scores[key]) - row_lse));
      });
}

template <class Element>
void lse_alone(const AttentionRequest& r, std::uint32_t head, int first_token, int last_token, float* lse,
               AttentionScratch& scratch) {
  struct Sum {
    float highest = kNothing;
    double sum = 0;
  };
  const auto rows = static_cast<std::size_t>(last_token - first_token);
  const std::uint64_t end = r.visible.of(r.first_position + static_cast<std::uint64_t>(last_token) - 1).end;
  std::vector<Sum> sums(rows * (end / kTileKeys + 2));  // [task][row]
  const std::uint64_t tasks =
      for_each_score_row<Element>(r, head, first_token, last_token, scratch,
                                  [&](std::size_t task, int token, std::uint64_t, std::span<const float> scores) {
                                    Sum& sum = sums[task * rows + static_cast<std::size_t>(token - first_token)];
                                    sum.highest = *std::max_element(scores.begin(), scores.end());
                                    if (sum.highest == kNothing) return;
                                    for (const float score : scores)
                                      sum.sum += std::exp2(static_cast<double>(score - sum.highest));
                                  });
  for (std::size_t row = 0; row < rows; ++row) {
    Sum total;
    for (std::uint64_t task = 0; task < tasks; ++task)
      total.highest = std::max(total.highest, sums[task * rows + row].highest);
    for (std::uint64_t task = 0; task < tasks; ++task) {
      const Sum& part = sums[task * rows + row];
      if (part.highest != kNothing)
        total.sum += part.sum * std::exp2(static_cast<double>(part.highest) - static_cast<double>(total.highest));
    }
    lse[(static_cast<std::size_t>(first_token) + row) * r.shape.heads + head] =
        total.highest == kNothing
            ? kNothing
            : static_cast<float>((static_cast<double>(total.highest) + std::log2(total.sum)) / kLog2E);
  }
}

}  // namespace

void attention_lse(const AttentionRequest& request, std::uint32_t head, int first_token, int last_token, float* lse,
                   AttentionScratch& scratch) {
  CHECK(first_token >= 0 && first_token < last_token && last_token <= request.tokens && request.only.empty());
  if (request.precision != AttentionPrecision::fp32 && kernels::kernels().bf16_products)
    lse_alone<std::uint16_t>(request, head, first_token, last_token, lse, scratch);
  else
    lse_alone<float>(request, head, first_token, last_token, lse, scratch);
}

void add_attention_probabilities(const AttentionRequest& request, std::uint32_t head, const float* lse, int first_token,
                                 int last_token, std::span<float> probabilities, AttentionScratch& scratch) {
  CHECK(first_token >= 0 && first_token < last_token && last_token <= request.tokens && request.only.empty());
  if (request.precision != AttentionPrecision::fp32 && kernels::kernels().bf16_products)
    add_probabilities<std::uint16_t>(request, head, lse, first_token, last_token, probabilities, scratch);
  else
    add_probabilities<float>(request, head, lse, first_token, last_token, probabilities, scratch);
}

}  // namespace tome
