#include "training/tensor_memory.h"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace tome {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kLeastBlock = std::size_t{1} << 20;
constexpr std::size_t kAlignment = 64;

void free_tensor(void* data) {
  if (!tensor_memory().give_back(data)) std::free(data);
}

/// `allocate` is const up to libtorch 2.2 and is not later; `copy_data` is a later addition: hence no `override`.
struct TensorAllocator final : c10::Allocator {
  c10::DataPtr allocate(std::size_t bytes) const {
    if (bytes == 0) return {nullptr, nullptr, &free_tensor, c10::Device(c10::DeviceType::CPU)};
    void* data = bytes >= kLeastBlock
                     ? tensor_memory().take(bytes)
                     : std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
    if (data == nullptr) throw std::bad_alloc();
    return {data, data, &free_tensor, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DataPtr allocate(std::size_t bytes) { return std::as_const(*this).allocate(bytes); }
  c10::DeleterFnPtr raw_deleter() const override { return &free_tensor; }
  void copy_data(void* to, const void* from, std::size_t bytes) const { std::memcpy(to, from, bytes); }
};

}  // namespace

BlockPool::~BlockPool() { release_free(); }

void* BlockPool::take(std::size_t bytes) {
  if (bytes > SIZE_MAX - kPage) throw std::bad_alloc();
  const std::size_t wanted = std::max(kPage, (bytes + kPage - 1) / kPage * kPage);
  const std::lock_guard lock(mutex_);
  if (const auto found = free_.lower_bound(wanted); found != free_.end() && found->first - wanted <= wanted / 8) {
    const auto [size, free] = *found;
    used_.emplace(free.block, size);
    free_.erase(found);
    in_use_ += size;
    most_in_use_ = std::max(most_in_use_, in_use_);
    return free.block;
  }
  const std::size_t most = std::max(most_in_use_, in_use_ + wanted);
  while (mapped_ + wanted > most && !free_.empty()) release_oldest();
  void* block = ::mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) throw std::bad_alloc();
  used_.emplace(block, wanted);
  in_use_ += wanted;
  mapped_ += wanted;
  most_in_use_ = most;
  return block;
}

bool BlockPool::give_back(void* block) {
  const std::lock_guard lock(mutex_);
  const auto found = used_.find(block);
  if (found == used_.end()) return false;
  in_use_ -= found->second;
  free_.emplace(found->second, FreeBlock{block, freed_++});
  used_.erase(found);
  return true;
}

void BlockPool::release_oldest() {
  const auto oldest = std::min_element(free_.begin(), free_.end(),
                                       [](const auto& a, const auto& b) { return a.second.freed < b.second.freed; });
  ::munmap(oldest->second.block, oldest->first);
  mapped_ -= oldest->first;
  free_.erase(oldest);
}

void BlockPool::release_free() {
  const std::lock_guard lock(mutex_);
  while (!free_.empty()) release_oldest();
}

std::size_t BlockPool::in_use() const {
  const std::lock_guard lock(mutex_);
  return in_use_;
}
std::size_t BlockPool::most_in_use() const {
  const std::lock_guard lock(mutex_);
  return most_in_use_;
}
std::size_t BlockPool::mapped() const {
  const std::lock_guard lock(mutex_);
  return mapped_;
}

BlockPool& tensor_memory() {
  static BlockPool& pool = *new BlockPool;  // outlives every tensor
  return pool;
}

void use_tensor_memory() {
  static TensorAllocator allocator;
  c10::SetCPUAllocator(&allocator, UINT8_MAX);
}

}  // namespace tome
