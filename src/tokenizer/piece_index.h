#pragma once
// Piece → id for a whole vocabulary. The hash is a polynomial in the bytes, so that the hashes of all prefixes and
// suffixes of a piece come from one pass: finding every split of 262144 pieces takes a tenth of a second.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tome {

class PieceIndex {
 public:
  PieceIndex() = default;
  /// The lowest id of equal pieces is found. `pieces` outlives the index.
  explicit PieceIndex(const std::vector<std::string>& pieces) : pieces_(&pieces) {
    std::size_t size = 16;
    while (size < pieces.size() * 2) size *= 2;
    slots_.resize(size);
    for (std::size_t id = 0; id < pieces.size(); ++id) {
      const std::uint64_t hash = hash_of(pieces[id]);
      Slot& slot = slots_[place_of(pieces[id], hash)];
      if (slot.id < 0) slot = {tag_of(hash), static_cast<std::int32_t>(id)};
    }
  }

  /// −1 when there is none.
  std::int32_t find(std::string_view piece) const { return find(piece, hash_of(piece)); }
  std::int32_t find(std::string_view piece, std::uint64_t hash) const { return slots_[place_of(piece, hash)].id; }

  static constexpr std::uint64_t base = 0x9e3779b97f4a7c15ULL;
  static std::uint64_t extend(std::uint64_t hash, char byte) {
    return hash * base + static_cast<unsigned char>(byte) + 1;
  }
  static std::uint64_t hash_of(std::string_view piece) {
    std::uint64_t hash = 0;
    for (const char byte : piece) hash = extend(hash, byte);
    return hash;
  }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    std::int32_t id = -1;
  };
  static std::uint64_t mixed(std::uint64_t hash) { return (hash ^ (hash >> 32)) * 0xbf58476d1ce4e5b9ULL; }
  static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(mixed(hash)); }
  std::size_t place_of(std::string_view piece, std::uint64_t hash) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = static_cast<std::size_t>(mixed(hash) >> 32) & mask;
    const std::uint32_t tag = tag_of(hash);
    while (slots_[at].id >= 0 &&
           (slots_[at].tag != tag || (*pieces_)[static_cast<std::size_t>(slots_[at].id)] != piece))
      at = (at + 1) & mask;
    return at;
  }

  const std::vector<std::string>* pieces_ = nullptr;
  std::vector<Slot> slots_;
};

}  // namespace tome
