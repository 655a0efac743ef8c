#include "cache/paged_kv.h"

#include <cstring>

#include "base/check.h"
#include "base/huge_memory.h"

namespace tome {

PagedKv::Page PagedKv::make_page() const {
  const std::shared_ptr<std::byte> piece = allocate_piece(layout_.page_bytes());
  return {piece.get(), piece.get(), piece};
}

void PagedKv::reserve(std::uint64_t length) {
  CHECK(length >= length_);
  const std::uint64_t needed = (length + kPageKeys - 1) / kPageKeys;
  for (std::uint64_t index = length_ / kPageKeys; index < needed; ++index) {
    if (index - first_page_ == pages_.size()) {
      pages_.push_back(make_page());
      continue;
    }
    Page& page = pages_[index - first_page_];
    if (page.bytes != nullptr && page.owner.use_count() == 1) continue;
    Page copy = make_page();
    std::memcpy(copy.bytes, page.read, layout_.page_bytes());
    page = std::move(copy);
  }
}

void PagedKv::write(std::uint64_t position, std::uint32_t head, const float* key, const float* value) {
  write_kv(layout_, pages_[position / kPageKeys - first_page_].bytes, head, position % kPageKeys, key, value);
}

void PagedKv::commit(std::uint64_t length) {
  CHECK(length >= length_ && length <= (first_page_ + pages_.size()) * kPageKeys);
  length_ = length;
}

void PagedKv::drop_invisible() {
  if (window_ == 0 || length_ < window_) return;
  const std::uint64_t first_needed = (length_ - window_ + 1) / kPageKeys;
  if (first_needed <= first_page_) return;
  pages_.erase(pages_.begin(), pages_.begin() + static_cast<std::ptrdiff_t>(first_needed - first_page_));
  first_page_ = first_needed;
}

Status PagedKv::rewind(std::uint64_t length) {
  CHECK(length <= length_);
  if (window_ != 0 && first_page_ > 0 && (length < window_ ? 0 : length - window_ + 1) < first_kept())
    return fail(ErrorKind::unsupported,
                "a sliding-window layer cannot rewind from {} to {}: it keeps positions from {} on", length_, length,
                first_kept());
  length_ = length;
  const std::uint64_t needed = (length + kPageKeys - 1) / kPageKeys;
  if (needed < first_page_ + pages_.size()) pages_.resize(needed - first_page_);
  return {};
}

const std::byte* PagedKv::page(std::uint64_t index) const {
  CHECK(index >= first_page_ && index - first_page_ < pages_.size());
  return pages_[index - first_page_].read;
}

void PagedKv::adopt_page(std::uint64_t index, const std::byte* bytes, std::shared_ptr<const void> owner) {
  if (pages_.empty()) first_page_ = index;
  CHECK(index == first_page_ + pages_.size());
  pages_.push_back({nullptr, bytes, std::move(owner)});
}

}  // namespace tome
