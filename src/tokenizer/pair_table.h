#pragma once
// (left token, right token) → (rank, merged token): what byte pair encoding asks at every step. Open addressing, built
// once, then read by any thread.
#include <cstdint>
#include <vector>

namespace tome {

struct Merge {
  std::uint32_t rank = no_rank;  ///< lower merges first
  std::int32_t merged = -1;
  static constexpr std::uint32_t no_rank = 0xFFFFFFFFu;
};

class PairTable {
 public:
  explicit PairTable(std::size_t expected = 0) { grow(expected * 2); }

  /// The first rank of a pair stays.
  void insert(std::int32_t left, std::int32_t right, Merge merge) {
    if ((count_ + 1) * 2 > slots_.size()) grow(slots_.size() * 2);
    Slot& slot = find_slot(key_of(left, right));
    if (slot.key != empty) return;
    slot = {key_of(left, right), merge};
    ++count_;
  }
  Merge find(std::int32_t left, std::int32_t right) const { return find_slot(key_of(left, right)).merge; }
  std::size_t size() const { return count_; }
  template <class Visit>
  void for_each_pair(Visit visit) const {
    for (const Slot& slot : slots_) {
      if (slot.key != empty) visit(static_cast<std::int32_t>(slot.key >> 32), static_cast<std::int32_t>(slot.key));
    }
  }

 private:
  static constexpr std::uint64_t empty = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = empty;
    Merge merge;
  };

  static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
  }
  const Slot& find_slot(std::uint64_t key) const {
    const std::size_t mask = slots_.size() - 1;
    std::uint64_t mixed = key * 0x9e3779b97f4a7c15ULL;
    std::size_t at = static_cast<std::size_t>((mixed ^ mixed >> 32) & mask);
    while (slots_[at].key != empty && slots_[at].key != key) at = (at + 1) & mask;
    return slots_[at];
  }
  Slot& find_slot(std::uint64_t key) { return const_cast<Slot&>(static_cast<const PairTable*>(this)->find_slot(key)); }
  void grow(std::size_t wanted) {
    std::size_t size = 16;
    while (size < wanted) size *= 2;
    std::vector<Slot> old(size);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.key != empty) find_slot(slot.key) = slot;
    }
  }

  std::vector<Slot> slots_;
  std::size_t count_ = 0;
};

}  // namespace tome
