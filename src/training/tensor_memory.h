#pragma once
// Memory of large tensors. A training step takes and frees blocks of the same few sizes over and over, in an order that
// leaves a heap full of holes (glibc: 1.5 times what is alive), and the kernel clears each block anew where they go
// back to it (a fifth of a step). Here a free block waits for the next tensor of about its size, and blocks go back to
// the system as soon as more would be mapped than was ever in use at once: so memory is what was in use at the
// worst moment, and linear in a sample's length.
#include <cstddef>
#include <mutex>
#include <unordered_map>

namespace tome {

/// Blocks of whole pages. Any thread.
class BlockPool {
 public:
  BlockPool() = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  ~BlockPool();  ///< blocks in use stay mapped

  /// At least `bytes` bytes, undefined; at most an eighth more than asked for (and a page). Throws std::bad_alloc.
  void* take(std::size_t bytes);
  /// False, and nothing done, for what is not a block in use. Allocates nothing: deleters call it.
  bool give_back(void* block);
  /// Free blocks go back to the system.
  void release_free();

  std::size_t in_use() const;       ///< bytes
  std::size_t most_in_use() const;  ///< bytes, so far
  std::size_t mapped() const;       ///< bytes in use or free; never more than most_in_use()

 private:
  struct Block {
    std::size_t bytes;
    bool used;
    std::size_t freed;  ///< a running number
  };
  void release_oldest();
  void release_all();

  mutable std::mutex mutex_;
  std::unordered_map<void*, Block> blocks_;  // some hundreds
  std::size_t in_use_ = 0, most_in_use_ = 0, mapped_ = 0, freed_ = 0;
};

/// Tensors of 1 MiB and more come from tensor_memory() from now on. Once, before other threads run.
void use_tensor_memory();
BlockPool& tensor_memory();

}  // namespace tome
