#include "training/visible_range.h"

#include <algorithm>

namespace tome {
namespace {

std::uint64_t first_key(std::uint64_t document, std::uint64_t window, std::uint64_t token) {
  return std::max(document, window != 0 && token + 1 > window ? token + 1 - window : 0);
}

}  // namespace

torch::Tensor first_keys(std::span<const std::uint32_t> first_document_token, std::uint64_t window) {
  torch::Tensor keys = torch::empty({static_cast<std::int64_t>(first_document_token.size())}, torch::kInt32);
  auto* to = keys.data_ptr<std::int32_t>();
  for (std::size_t token = 0; token < first_document_token.size(); ++token)
    to[token] = static_cast<std::int32_t>(first_key(first_document_token[token], window, token));
  return keys;
}

torch::Tensor first_keys_of_shifted_groups(std::span<const std::uint32_t> first_document_token, std::uint64_t group,
                                           std::uint32_t kv_heads, ShiftedHeads shifted) {
  const std::size_t tokens = first_document_token.size();
  torch::Tensor keys = torch::empty({kv_heads, static_cast<std::int64_t>(tokens)}, torch::kInt32);
  auto* to = keys.data_ptr<std::int32_t>();
  const std::uint32_t first_shifted = shifted == ShiftedHeads::none  ? kv_heads
                                      : shifted == ShiftedHeads::all ? 0
                                                                     : kv_heads - kv_heads / 2;
  for (std::uint32_t head = 0; head < kv_heads; ++head) {
    const std::uint64_t shift = head >= first_shifted ? group / 2 : 0;
    for (std::size_t token = 0; token < tokens; ++token) {
      const std::uint64_t begin = (token + shift) / group * group;
      *to++ = static_cast<std::int32_t>(
          std::max<std::uint64_t>(begin > shift ? begin - shift : 0, first_document_token[token]));
    }
  }
  return keys;
}

}  // namespace tome
