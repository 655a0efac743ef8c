#include "attention/page_choice.h"

namespace tome {

using namespace query_tile;

namespace {

template <class Element>
bool negative(Element value) {
  if constexpr (std::is_same_v<Element, float>)
    return value < 0.0f;
  else
    return value >> 15 != 0;
}

}  // namespace

template <class Element>
void choose_pages(const AttentionRequest& r, std::uint32_t kv_head, int first_token, int tokens,
                  TileMemory<Element>& memory, AttentionScratch::Choice& scratch, std::vector<std::uint64_t>& chosen) {
  const std::uint64_t first_query = r.position(first_token);
  const std::uint64_t own = first_query / kPageKeys;
  const std::uint64_t end = r.position(first_token + tokens - 1) / kPageKeys + 1;
  const std::uint64_t near_begin = own == 0 ? 0 : own - 1;  // this page and the later ones are read anyway
  chosen.clear();
  const PagedKv& panels = r.bounds->panels();
  if (near_begin <= r.top_pages + 1) {
    for (std::uint64_t page = 0; page < end; ++page) chosen.push_back(page);
    return;
  }
  CHECK(panels.length() >= near_begin);
  const std::uint64_t blocks = (near_begin + kPageKeys - 1) / kPageKeys;
  const auto stride = static_cast<std::size_t>(blocks * kPageKeys), dims = static_cast<std::size_t>(r.shape.head_dim);
  const auto group = r.shape.heads / r.shape.kv_heads;
  const auto rows = static_cast<std::size_t>(tokens) * group;
  Element *signed_queries = nullptr, *panel_scratch = nullptr;
  float *scores = nullptr, *reference = nullptr, *sum = nullptr, *unpack = nullptr;
  const auto carve = [&](std::byte* from) {
    std::size_t at = 0;
    const auto take = [&](auto*& pointer, std::size_t count) {
      using T = std::remove_reference_t<decltype(*pointer)>;
      pointer = reinterpret_cast<T*>(from + at);
      at += rounded(count * sizeof(T));
    };
    take(signed_queries, rows * 2 * dims);
    take(panel_scratch, key_tile_elements(panels.layout()));
    take(scores, rows * stride);
    take(reference, rows);
    take(sum, rows);
    take(unpack, key_tile_floats(panels.layout()));
    return at;
  };
  scratch.memory.reserve(carve(nullptr));
  carve(scratch.memory.data());

  load_queries(r, kv_head, first_token, tokens, 0, group, memory);
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t dim = 0; dim < dims; ++dim) {
      const Element query = memory.queries[row * dims + dim];
      signed_queries[row * 2 * dims + dim] = negative(query) ? Element{} : query;
      signed_queries[row * 2 * dims + dims + dim] = negative(query) ? query : Element{};
    }
  for (std::uint64_t block = 0; block < blocks; ++block) {
    const Element* panel = load_keys<Element>(panels, block, kv_head, {}, panel_scratch, unpack);
    Kernels<Element>::product({.a = signed_queries,
                               .a_stride = 2 * dims,
                               .panels = &panel,
                               .panel_count = 1,
                               .k_each = static_cast<int>(2 * dims),
                               .c = scores + block * kPageKeys,
                               .c_stride = stride,
                               .rows = static_cast<int>(rows),
                               .accumulate = kernels::Accumulate::no});
  }
  for (std::size_t row = 0; row < rows; ++row) {
    scores[row * stride] = kNothing;  // the first page is read anyway
    std::fill(scores + row * stride + near_begin, scores + (row + 1) * stride, kNothing);
  }
  std::fill_n(reference, rows, kNothing);
  std::fill_n(sum, rows, 0.0f);
  kernels::kernels().softmax_tile_f32({.scores = scores,
                                       .score_stride = stride,
                                       .rows = static_cast<int>(rows),
                                       .keys = static_cast<int>(stride),
                                       .reference = reference,
                                       .sum = sum,
                                       .output = nullptr,
                                       .output_stride = 0,
                                       .output_columns = 0,
                                       .probabilities = scores,
                                       .probability_stride = stride});
  scratch.shares.assign(stride, 0.0f);
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t page = 0; page < stride; ++page)  // the most that any row wants of it: one row's need is enough
      scratch.shares[page] = std::max(scratch.shares[page], scores[row * stride + page] / sum[row]);
  for (std::uint64_t page = 1; page < near_begin; ++page) chosen.push_back(page);
  const auto middle = chosen.begin() + static_cast<std::ptrdiff_t>(r.top_pages);
  std::nth_element(chosen.begin(), middle, chosen.end(), [&](std::uint64_t a, std::uint64_t b) {
    return scratch.shares[a] != scratch.shares[b] ? scratch.shares[a] > scratch.shares[b] : a < b;
  });
  chosen.erase(middle, chosen.end());
  chosen.push_back(0);
  for (std::uint64_t page = near_begin; page < end; ++page) chosen.push_back(page);
  std::sort(chosen.begin(), chosen.end());
}

template void choose_pages(const AttentionRequest&, std::uint32_t, int, int, TileMemory<float>&,
                           AttentionScratch::Choice&, std::vector<std::uint64_t>&);
template void choose_pages(const AttentionRequest&, std::uint32_t, int, int, TileMemory<std::uint16_t>&,
                           AttentionScratch::Choice&, std::vector<std::uint64_t>&);

}  // namespace tome
