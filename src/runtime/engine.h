#pragma once
// The engine: a model, its tokenizer, a position plan and the kernels, chosen here and nowhere else. An Engine is
// shared and immutable apart from its scratch; a Session (session.h) is one sequence's memory. One forward call at a
// time per Engine.
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "attention/pattern.h"
#include "base/progress.h"
#include "base/result.h"
#include "formats/model_file.h"
#include "models/decoder.h"
#include "position/position_plan.h"
#include "tokenizer/tokenizer.h"

namespace tome {

enum class Precision { native, fp32 };  ///< fp32: the reference path, weights dequantised to fp32 row by row

struct EngineOptions {
  std::string model;         ///< a path (hub's resolve_model maps names)
  std::string adapter = {};  ///< a folder of a low-rank adapter (formats/lora_adapter.h); empty: none
  int threads = 0;           ///< 0: the machine's
  Precision precision = Precision::native;
  bool map_weights = false;     ///< leave the weights in the mapped file instead of copying them to huge pages (--mmap)
  DType kv_type = DType::bf16;  ///< bf16, f16, q8_0, q4_0 (f32 on the fp32 path)
  std::uint32_t chunk = 512;    ///< tokens per forward pass while prefilling (-ub)
  PositionOptions positions;    ///< method none with automatic = true: decided by fit()
  bool automatic_positions = true;
  /// int8: Q·Kᵀ from 8-bit codes, faster and not exact; needs kv_type q8_0.
  AttentionPrecision attention_precision = AttentionPrecision::bf16;
  /// Of the full-attention layers, later ones before earlier ones; none: full. A text's length is what fit() is told.
  std::vector<LayerPattern> attention;
};

/// One (layer, head) whose attention probabilities are wanted (evidence.md).
struct HeadId {
  std::uint32_t layer = 0, head = 0;
  double weight = 1.0;
};

class Session;

class Engine {
 public:
  static Result<std::shared_ptr<Engine>> create(const EngineOptions& options);
  ~Engine();

  const ModelFile& model() const;
  const Tokenizer& tokenizer() const;
  const EngineOptions& options() const;
  /// Decides the position plan for sessions made from now on, for `needed` tokens in all (document + question +
  /// answer). text: the tokens that are known already, from the first on: global tokens of a pattern go to their
  /// sentence starts.
  Status fit(std::uint64_t needed, std::span<const TokenId> text = {});
  /// The plan in force. Call it after create() with automatic positions, or after fit() has succeeded.
  const PositionPlan& positions() const;
  /// Of everything beside the model that keys and values depend on: positions and attention.
  const std::string& plan_fingerprint() const;
  /// Bytes a session of `tokens` tokens will take for keys and values.
  std::uint64_t kv_bytes(std::uint64_t tokens, const ReadingDepth& depth = {}) const;
  /// Errors: memory, before any work, with the size needed and the size at hand; usage for a depth that is not there.
  Result<std::unique_ptr<Session>> new_session(std::uint64_t max_tokens, const ReadingDepth& depth = {});

 private:
  friend class Session;
  Engine();
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// What one sequence remembers. Move with unique_ptr; not thread-safe. A session of a depth (ReadingDepth) is a skim:
/// it makes keys for prefill_with_head_evidence and has no logits.
class Session {
 public:
  ~Session();
  std::uint64_t length() const;  ///< tokens taken in so far
  const std::vector<TokenId>& tokens() const;
  /// Takes tokens in (chunked); logits of the last one are kept. Errors: cancelled, usage (longer than max_tokens).
  Status prefill(std::span<const TokenId> tokens, const ProgressFunction& progress = {});
  /// As prefill, calling `rows` with the logits of every token: for score and evaluation. row: index into `tokens`.
  Status prefill_with_logits(std::span<const TokenId> tokens,
                             const std::function<void(std::uint64_t row, std::span<const float> logits)>& rows,
                             const ProgressFunction& progress = {});
  /// As prefill, in one chunk however long, and returns for each of `heads` the attention probability of every key
  /// position, averaged over the tokens [first_row, last_row): [heads][length() after the call].
  Result<std::vector<std::vector<float>>> prefill_with_head_evidence(std::span<const TokenId> tokens,
                                                                     std::size_t first_row, std::size_t last_row,
                                                                     std::span<const HeadId> heads);
  std::span<const float> logits() const;  ///< of the last token, [vocabulary]
  /// A copy that shares pages until either writes.
  std::unique_ptr<Session> fork() const;
  /// Versioned, checksummed, memory-mapped on load; refused on a model or position fingerprint mismatch.
  Status save(const std::string& path) const;
  static Result<std::unique_ptr<Session>> load(Engine& engine, const std::string& path, std::uint64_t max_tokens,
                                               const ReadingDepth& depth = {});

 private:
  friend class Engine;
  Session();
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tome
