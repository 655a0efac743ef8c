#pragma once
// Memory for what is read from end to end again and again (weights, keys and values), on 2 MiB pages where the kernel
// grants them: with 4 KiB pages two cores read 37 GB/s on the machine of docs/performance.md, with these 60.
#include <cstddef>
#include <memory>

namespace tome {

/// Zeroed, aligned to 2 MiB; what is never touched takes no memory. Throws std::bad_alloc. Move-only.
class HugeBuffer {
 public:
  HugeBuffer() = default;
  explicit HugeBuffer(std::size_t bytes);
  HugeBuffer(HugeBuffer&& other) noexcept;
  HugeBuffer& operator=(HugeBuffer&& other) noexcept;
  ~HugeBuffer();
  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  void* mapping_ = nullptr;
  std::size_t mapped_ = 0;
};

/// `bytes` bytes, zeroed, aligned to 64, from regions shared by all pieces of the same size. Given back with the last
/// pointer; a region returns to the system when none of its pieces is in use. Any thread.
std::shared_ptr<std::byte> allocate_piece(std::size_t bytes);

}  // namespace tome
