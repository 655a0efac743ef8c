#pragma once
// Which pages a query tile reads when it chooses for itself (Quest, arXiv 2406.10774): see AttentionRequest::top_pages.
// Private to attention/. Stateless; any thread with its own memory.
#include <cstdint>
#include <vector>

#include "attention/query_tile.h"

namespace tome {

/// The pages that a tile reads, ascending.
template <class Element>
void choose_pages(const AttentionRequest& request, std::uint32_t kv_head, int first_token, int tokens,
                  query_tile::TileMemory<Element>& memory, AttentionScratch::Choice& scratch,
                  std::vector<std::uint64_t>& chosen);

extern template void choose_pages(const AttentionRequest&, std::uint32_t, int, int, query_tile::TileMemory<float>&,
                                  AttentionScratch::Choice&, std::vector<std::uint64_t>&);
extern template void choose_pages(const AttentionRequest&, std::uint32_t, int, int,
                                  query_tile::TileMemory<std::uint16_t>&, AttentionScratch::Choice&,
                                  std::vector<std::uint64_t>&);

}  // namespace tome
