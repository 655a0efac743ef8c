#include "base/huge_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace tome {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kRegion = std::size_t{32} << 20;

struct Region;
struct Pool {
  std::recursive_mutex mutex;  // a piece that cannot be shared for want of memory is given back inside
  std::map<std::size_t, std::vector<std::weak_ptr<Region>>> regions;  // by size of piece, oldest first
};
/// Never destroyed: pieces may outlive static objects.
Pool& pool() {
  static auto* instance = new Pool();
  return *instance;
}

/// Guarded by the pool's mutex.
struct Region {
  explicit Region(std::size_t size) : memory(std::max(kRegion, size)), piece(size) {}
  HugeBuffer memory;
  std::size_t piece;
  std::size_t next = 0;  ///< pieces from here on were never given out
  std::vector<std::byte*> free;

  std::byte* take() {
    if (!free.empty()) {
      std::byte* found = free.back();
      free.pop_back();
      std::memset(found, 0, piece);
      return found;
    }
    if ((next + 1) * piece > memory.size()) return nullptr;
    return memory.data() + piece * next++;
  }
};

std::shared_ptr<std::byte> share(std::byte* bytes, std::shared_ptr<Region> region) {
  return {bytes, [region = std::move(region)](std::byte* piece) mutable {
            const std::lock_guard lock(pool().mutex);
            region->free.push_back(piece);
            region.reset();
          }};
}

}  // namespace

HugeBuffer::HugeBuffer(std::size_t bytes) {
  if (bytes == 0) return;
  if (bytes > SIZE_MAX - 2 * kHugePage) throw std::bad_alloc();
  size_ = bytes;
  mapped_ = (bytes + kHugePage - 1) / kHugePage * kHugePage + kHugePage;
  mapping_ = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping_ == MAP_FAILED) {
    mapping_ = nullptr;
    throw std::bad_alloc();
  }
  const auto address = (reinterpret_cast<std::uintptr_t>(mapping_) + kHugePage - 1) / kHugePage * kHugePage;
  data_ = reinterpret_cast<std::byte*>(address);
  ::madvise(data_, mapped_ - kHugePage, MADV_HUGEPAGE);  // refused: the same memory, slower
}

HugeBuffer::HugeBuffer(HugeBuffer&& other) noexcept { *this = std::move(other); }

HugeBuffer& HugeBuffer::operator=(HugeBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

HugeBuffer::~HugeBuffer() {
  if (mapping_ != nullptr) ::munmap(mapping_, mapped_);
}

std::shared_ptr<std::byte> allocate_piece(std::size_t bytes) {
  const std::size_t piece = (std::max<std::size_t>(bytes, 1) + 63) / 64 * 64;
  const std::lock_guard lock(pool().mutex);
  auto& regions = pool().regions[piece];
  std::erase_if(regions, [](const auto& region) { return region.expired(); });
  for (const auto& candidate : regions)
    if (auto region = candidate.lock())
      if (std::byte* found = region->take()) return share(found, std::move(region));
  auto region = std::make_shared<Region>(piece);
  regions.push_back(region);
  return share(region->take(), region);
}

}  // namespace tome
