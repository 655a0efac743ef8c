#pragma once
// Sparse attention patterns for causal decoders, as data: which keys a query sees, in words of 64 keys (one page). A
// kernel asks whether a run of queries may see a page at all, and for a row's bits where the answer is "some of it".
// Every key is counted once, whichever parts of a pattern show it. Immutable; any thread.
// window:N: the last N keys (Longformer's local part).
// streaming:sinks=S,window=N: and the first S keys (StreamingLLM, arXiv 2309.17453).
// duo:sinks=S,window=N: retrieval heads see everything, the others are streaming (DuoAttention, arXiv 2410.10819; with
//   grouped queries the KV heads of retrieval heads see everything).
// longformer:window=N,globals=G: the window, and G evenly spaced tokens, at sentence starts where those are known, that
//   all later ones see and that see all the earlier ones (arXiv 2004.05150).
// bigbird:window=B,random=R,seed=S: in blocks of 64, the last B, the first, R random ones, one in each of R equal parts
//   of what is left; the text's last block sees everything (arXiv 2007.14062).
// window_v3:c=C: overlapping windows that begin every C·√n tokens (rounded up to 64) and reach 256 keys back, ⌈√n⌉
//   such globals and the first 64 keys: Tome's definition (docs/attention.md).
// page_top_k:pages=K: not a set of keys but a choice of them: the first page, the last ones, and the K pages of 64 keys
//   whose bounds promise most (Quest, arXiv 2406.10774; flash.h).
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tome {

enum class PatternKind { full, window, streaming, duo, longformer, bigbird, window_v3, page_top_k };

/// What the user asks for; a text of n tokens makes an AttentionPattern of it.
struct PatternOptions {
  PatternKind kind = PatternKind::full;
  std::uint64_t window = 0;   ///< keys (bigbird: blocks of 64)
  std::uint64_t sinks = 0;    ///< streaming, duo
  std::uint64_t globals = 0;  ///< longformer
  std::uint64_t random = 0, seed = 0;
  double c = 0;             ///< window_v3
  std::uint64_t pages = 0;  ///< page_top_k
};

/// Errors: usage, naming what was found and what was expected.
Result<PatternOptions> parse_pattern(std::string_view text);
/// A pattern for some layers: `LAYERS=PATTERN` with LAYERS as 0-4,7; without LAYERS= it is for every full-attention
/// one.
struct LayerPattern {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> layers;  ///< first and last; empty: all
  PatternOptions pattern;
};
/// Errors: usage.
Result<LayerPattern> parse_layer_pattern(std::string_view text);
/// As parse_pattern takes it, every setting told.
std::string describe_pattern(const PatternOptions& options);
/// Whether the pattern has global tokens, for which sentence starts are worth finding.
bool has_globals(const PatternOptions& options);

class AttentionPattern {
 public:
  /// nullptr for full attention. n: the length of the text; later positions see by the same rules. full_kv_heads: of
  /// one layer, for duo. sentence_starts: ascending positions; a global token goes to the nearest one within half the
  /// distance between globals, and stays at its even place where there is none.
  static std::shared_ptr<const AttentionPattern> create(const PatternOptions& options, std::uint64_t n,
                                                        std::vector<std::uint32_t> full_kv_heads = {},
                                                        std::span<const std::uint64_t> sentence_starts = {});

  /// Whether any query of [first, last] may see a key of the page; never false when one does.
  bool may_see(std::uint64_t first_query, std::uint64_t last_query, std::uint64_t page) const;
  /// The first page from `page` on that a query from `first_query` on may see by sinks and window; patterns with other
  /// keys tell page by page (may_see).
  std::uint64_t next_page(std::uint64_t first_query, std::uint64_t page) const;
  /// Bit k: the query sees key 64 · page + k.
  std::uint64_t bits(std::uint64_t query, std::uint64_t page) const;
  /// No key before this one is seen by `query` or a later query.
  std::uint64_t first_key(std::uint64_t query) const;
  /// Whether this KV head sees every key, whatever the rest of the pattern says.
  bool shows_all_to(std::uint32_t kv_head) const;
  /// Pages that a query tile chooses for itself; 0: the pattern is a set of keys. Then it shows every key.
  std::uint64_t top_pages() const { return options_.pages; }
  const std::string& description() const { return description_; }
  std::span<const std::uint64_t> globals() const { return globals_; }  ///< ascending
  /// How many of globals() lie before the position.
  std::size_t first_global(std::uint64_t position) const;
  /// What is left of the pattern without its global tokens; nullptr where it has none.
  const AttentionPattern* without_globals() const { return without_globals_.get(); }
  /// [begin, end) of globals(): the keys that a query that is no global token sees beyond without_globals()'.
  std::pair<std::size_t, std::size_t> globals_beyond(std::uint64_t query) const;

 private:
  bool sees_everything(std::uint64_t query) const;
  bool random_block(std::uint64_t query_block, std::uint64_t key_block) const;
  std::uint64_t window_begin(std::uint64_t query) const;
  std::uint64_t sinks() const;

  PatternOptions options_;
  std::string description_;
  std::uint64_t n_ = 0, stride_ = 0;
  std::vector<std::uint64_t> globals_;      // ascending
  std::vector<std::uint64_t> global_bits_;  // by page
  std::vector<std::uint32_t> full_kv_heads_;
  std::shared_ptr<const AttentionPattern> without_globals_;
};

}  // namespace tome
