#include "cache/paged_kv.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/huge_memory.h"
#include "cache/hadamard.h"

namespace tome {

PagedKv::Page PagedKv::make_page() const {
  const std::shared_ptr<std::byte> piece = allocate_piece(layout_.page_bytes());
  return {piece.get(), piece};
}

void PagedKv::reserve(std::uint64_t length) {
  CHECK(length >= length_);
  const std::uint64_t needed = (length + kPageKeys - 1) / kPageKeys;
  for (std::uint64_t index = length_ / kPageKeys; index < needed; ++index) {
    if (index - first_page_ == pages_.size()) {
      Page page = make_page();
      const std::byte* place = page.bytes;
      pages_.add(std::move(page), place);
      continue;
    }
    Page& page = pages_.pages[index - first_page_];
    if (page.bytes != nullptr && page.owner.use_count() == 1) continue;
    const std::byte*& place = pages_.places[index - first_page_];
    Page copy = make_page();
    std::memcpy(copy.bytes, place, layout_.page_bytes());
    place = copy.bytes;
    page = std::move(copy);
  }
}

namespace {

/// Sums of squares of a head's channels become the root of their mean, at least a quarter of all channels' mean: one
/// that the first keys hardly use must not become large later. Keys that are no numbers fix nothing.
void finish_scales(float* scales, std::size_t dims, std::size_t count) {
  float mean = 0.0f;
  for (std::size_t dim = 0; dim < dims; ++dim) {
    scales[dim] = std::sqrt(scales[dim] / static_cast<float>(count));
    mean += scales[dim] / static_cast<float>(dims);
  }
  for (std::size_t dim = 0; dim < dims; ++dim)
    scales[dim] = mean > 0.0f && std::isfinite(mean) ? std::max(scales[dim], 0.25f * mean) : 1.0f;
}

}  // namespace

void PagedKv::fit_to_keys(const float* keys, std::size_t stride, std::size_t count) {
  CHECK(wants_fit(count, true) && count > 0);
  channel_scales_.assign(layout_.kv_heads * std::size_t{layout_.head_dim}, 0.0f);
  layout_.type == DType::q4_0 ? fit_turned_keys(keys, stride, count) : fit_centred_keys(keys, stride, count);
}

void PagedKv::fit_turned_keys(const float* keys, std::size_t stride, std::size_t count) {
  const std::size_t dims = layout_.head_dim;
  std::vector<float> row(dims);
  for (std::uint32_t head = 0; head < layout_.kv_heads; ++head) {
    float* scales = channel_scales_.data() + head * dims;
    for (std::size_t key = 0; key < count; ++key) {
      std::copy_n(keys + key * stride + head * dims, dims, row.data());
      hadamard(row.data(), dims);
      for (std::size_t dim = 0; dim < dims; ++dim) scales[dim] += row[dim] * row[dim];
    }
    finish_scales(scales, dims, count);
  }
}

void PagedKv::fit_centred_keys(const float* keys, std::size_t stride, std::size_t count) {
  const std::size_t dims = layout_.head_dim;
  key_centre_.assign(layout_.kv_heads * dims, 0.0f);
  for (std::uint32_t head = 0; head < layout_.kv_heads; ++head) {
    float *centre = key_centre_.data() + head * dims, *scales = channel_scales_.data() + head * dims;
    const auto for_each_key = [&](const auto& take) {
      for (std::size_t key = 0; key < count; ++key)
        for (std::size_t dim = 0; dim < dims; ++dim) take(keys[key * stride + head * dims + dim], dim);
    };
    for_each_key([&](float value, std::size_t dim) { centre[dim] += value / static_cast<float>(count); });
    if (!std::all_of(centre, centre + dims, [](float value) { return std::isfinite(value); }))
      std::fill_n(centre, dims, 0.0f);
    for_each_key([&](float value, std::size_t dim) { scales[dim] += (value - centre[dim]) * (value - centre[dim]); });
    finish_scales(scales, dims, count);
    for (std::size_t dim = 0; dim < dims; ++dim) scales[dim] = std::sqrt(scales[dim]);
  }
}

void PagedKv::write(std::uint64_t position, std::uint32_t head, const float* key, const float* value) {
  const std::size_t at = static_cast<std::size_t>(head) * layout_.head_dim;
  const float* scales = channel_scales_.empty() ? nullptr : channel_scales_.data() + at;
  std::array<float, kMostHeadDim> centred;
  if (!key_centre_.empty()) {
    for (std::size_t dim = 0; dim < layout_.head_dim; ++dim)
      centred[dim] = (key[dim] - key_centre_[at + dim]) / scales[dim];
    key = centred.data();
  }
  write_kv(layout_, pages_.pages[position / kPageKeys - first_page_].bytes, head, position % kPageKeys, key, value,
           scales);
}

void PagedKv::commit(std::uint64_t length) {
  CHECK(length >= length_ && length <= (first_page_ + pages_.size()) * kPageKeys);
  length_ = length;
}

void PagedKv::drop_invisible() {
  if (window_ == 0 || length_ < window_) return;
  const std::uint64_t first_needed = (length_ - window_ + 1) / kPageKeys;
  if (first_needed <= first_page_) return;
  for (std::uint64_t page = sink_pages_.size(); page < sink_pages_before(first_needed); ++page)
    sink_pages_.add(std::move(pages_.pages[page - first_page_]), pages_.places[page - first_page_]);
  pages_.drop_first(first_needed - first_page_);
  first_page_ = first_needed;
}

Status PagedKv::rewind(std::uint64_t length) {
  CHECK(length <= length_);
  if (window_ != 0 && first_page_ > 0 && (length < window_ ? 0 : length - window_ + 1) < first_kept())
    return fail(ErrorKind::unsupported,
                "a sliding-window layer cannot rewind from {} to {}: it keeps positions from {} on", length_, length,
                first_kept());
  length_ = length;
  if (length == 0) {
    channel_scales_.clear();
    key_centre_.clear();
  }
  const std::uint64_t needed = (length + kPageKeys - 1) / kPageKeys;
  if (needed < first_page_ + pages_.size()) pages_.shrink(needed - first_page_);
  return {};
}

std::vector<std::uint64_t> PagedKv::kept_pages() const {
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t page = 0; page < sink_pages_.size(); ++page) numbers.push_back(page);
  for (std::uint64_t page = 0; page < pages_.size(); ++page) numbers.push_back(first_page_ + page);
  return numbers;
}

void PagedKv::adopt_from(std::uint64_t first) {
  CHECK(length_ == 0 && page_count() == 0);
  first_page_ = first;
}

void PagedKv::adopt_page(std::uint64_t index, const std::byte* bytes, std::shared_ptr<const void> owner) {
  if (sink_pages_.size() < sink_pages_before(first_page_)) {
    CHECK(index == sink_pages_.size());
    sink_pages_.add({nullptr, std::move(owner)}, bytes);
    return;
  }
  CHECK(index == first_page_ + pages_.size());
  pages_.add({nullptr, std::move(owner)}, bytes);
}

}  // namespace tome
