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
  std::pair<void* const, Block>* fitting = nullptr;
  for (auto& block : blocks_) {
    const std::size_t size = block.second.bytes;
    if (!block.second.used && size >= wanted && size - wanted <= wanted / 8 &&
        (fitting == nullptr || size < fitting->second.bytes))
      fitting = &block;
  }
  if (fitting != nullptr) {
    fitting->second.used = true;
    in_use_ += fitting->second.bytes;
    most_in_use_ = std::max(most_in_use_, in_use_);
    return fitting->first;
  }
  const std::size_t most = std::max(most_in_use_, in_use_ + wanted);
  while (mapped_ + wanted > most && mapped_ > in_use_) release_oldest();
  const auto map = [&] { return ::mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); };
  void* block = map();
  if (block == MAP_FAILED) {
    release_all();
    block = map();
  }
  if (block == MAP_FAILED) throw std::bad_alloc();
  try {
    blocks_.emplace(block, Block{wanted, true, 0});
  } catch (...) {
    ::munmap(block, wanted);
    throw;
  }
  in_use_ += wanted;
  mapped_ += wanted;
  most_in_use_ = most;
  return block;
}

bool BlockPool::give_back(void* block) {
  const std::lock_guard lock(mutex_);
  const auto found = blocks_.find(block);
  if (found == blocks_.end() || !found->second.used) return false;
  found->second.used = false;
  found->second.freed = freed_++;
  in_use_ -= found->second.bytes;
  return true;
}

void BlockPool::release_oldest() {
  const auto age = [](const auto& block) { return block.second.used ? SIZE_MAX : block.second.freed; };
  const auto oldest =
      std::min_element(blocks_.begin(), blocks_.end(), [&](const auto& a, const auto& b) { return age(a) < age(b); });
  ::munmap(oldest->first, oldest->second.bytes);
  mapped_ -= oldest->second.bytes;
  blocks_.erase(oldest);
}

void BlockPool::release_all() {
  while (mapped_ > in_use_) release_oldest();
}

void BlockPool::release_free() {
  const std::lock_guard lock(mutex_);
  release_all();
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
