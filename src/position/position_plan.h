#pragma once
// A position method is a function from (base, head dim, trained length, target length, options) to one or more parts,
// each {key range, query position map, key position map, table}. One file a method (linear_interpolation.h, yarn.h, …);
// this header is the common vocabulary. Everything is computed in fp64 and stored as fp32.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/model_file.h"

namespace tome {

/// What the rotation kernel reads: angle(p, i) = p · inverse_frequencies[i]; cos and sin times `magnitude`; scores
/// times `softmax_scale` (1 unless the method changes the temperature beyond `magnitude`).
struct PositionTable {
  std::vector<float> inverse_frequencies;  // [rope_dims / 2]
  float magnitude = 1.0f;
  float softmax_scale = 1.0f;
};

enum class ScalingMethod {
  none,
  linear,
  ntk,
  dynamic_ntk,
  ntk_by_parts,
  yarn,
  yarn_paper,
  longrope,
  llama3,
  self_extend,
  dual_chunk,
  article_yarn,
};
std::string_view scaling_method_name(ScalingMethod method);  ///< as the flag --rope-scaling spells it: "yarn-paper"
Result<ScalingMethod> scaling_method_from_name(std::string_view name);

enum class Temperature { method, paper, article, none, value };

/// What the user may set (--rope-scaling, --rope-factor, --rope-theta …). Unset means: the file's, then the paper's.
struct PositionOptions {
  ScalingMethod method = ScalingMethod::none;
  std::optional<double> factor = std::nullopt;
  std::optional<double> theta = std::nullopt;                    ///< replaces the base
  std::optional<std::uint64_t> original_context = std::nullopt;  ///< L in the formulas
  std::optional<double> ntk_alpha = std::nullopt;                ///< article's θ·s^α on the base; default d/(d−2)
  std::optional<double> attention_factor = std::nullopt;         ///< replaces m
  double beta_fast = 32.0, beta_slow = 1.0;
  bool truncate = true;
  std::uint64_t group = 8, neighbour_window = 1024;  ///< self-extend
  Temperature temperature = Temperature::method;
  double temperature_value = 1.0;
  bool allow_no_op = false;  ///< factor 1 inside a sweep of lengths; what the file declares
  std::string origin = {};   ///< who set this, for PositionPlan::origin; empty: the user
};

/// position ↦ position, for keys or queries of a part. floor: p / divide + add; modulo: p % period + add;
/// constant: value (dual chunk's queries of far chunks).
struct PositionMap {
  enum class Kind { identity, group, modulo, constant } kind = Kind::identity;
  std::uint64_t divide = 1, period = 1, add = 0, value = 0, cap = 0;  ///< cap 0: none
  std::uint64_t operator()(std::uint64_t position) const;
};

/// Which keys, relative to a query at q, a part covers.
struct KeyRange {
  enum class Kind {
    all,             ///< every key
    neighbours,      ///< q − k < window (self-extend, near part)
    beyond,          ///< q − k ≥ window (self-extend, far part)
    same_chunk,      ///< k / chunk == q / chunk
    previous_chunk,  ///< k / chunk == q / chunk − 1
    earlier_chunks,  ///< k / chunk ≤ q / chunk − 2
  } kind = Kind::all;
  std::uint64_t window = 0, chunk = 0;
};
/// Whether a part with `range` shows `key` to `query`, key ≤ query. The parts of a plan cover each pair exactly once.
bool covers(const KeyRange& range, std::uint64_t query, std::uint64_t key);

struct PositionPart {
  KeyRange keys;
  PositionMap query_map, key_map;
  PositionTable table;
  bool query_log_scaling = false;  ///< self-extend: query × max(1, ln(p + 1) / ln base)
  double log_base = 1.0;
};

/// The whole answer of a method, plus the words that explain it.
struct PositionPlan {
  ScalingMethod method = ScalingMethod::none;
  double factor = 1.0;
  std::vector<PositionPart> parts;  ///< one, except self-extend and dual chunk: joined by the partial merge
  std::string origin = {};          ///< which setting won: "user: --rope-scaling yarn", "file: rope.scaling.type" …
  std::vector<std::string> notes;  ///< e.g. effective logit multiplier m², capacity, "the article's formula, not YaRN"
  bool keys_stored_rotated() const { return parts.size() == 1; }
  /// 16 hex digits over tables, maps and ranges; stamped into snapshots and adapters.
  std::string fingerprint() const;
};

/// Plan for full-attention layers at `target_length` tokens. Errors: usage for a setting that changes nothing (unless
/// allow_no_op or dynamic NTK), a factor ≤ 0, a missing list (longrope), odd dims; format when what the file declares
/// is out of range (so that plan_local_positions cannot fail afterwards).
Result<PositionPlan> plan_positions(const ModelConfig& config, const PositionOptions& options,
                                    std::uint64_t target_length);
/// Plan of sliding-window layers: always native, base rope_theta_local (or the file's own scaling for mistral-like
/// models where local and global layers share one table). Call it after plan_positions has accepted the same config.
PositionPlan plan_local_positions(const ModelConfig& config);

/// The scaling the file itself declares, as options (none when it declares none).
PositionOptions declared_options(const ModelConfig& config);
/// `--rope-scaling auto`: native when `needed` tokens fit; else YaRN with automatic_factor(needed).
PositionOptions automatic_options(const ModelConfig& config, std::uint64_t needed);
/// (needed + 4096 headroom) / trained, rounded up to 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32 …
double automatic_factor(std::uint64_t needed, std::uint64_t trained);
/// Tokens that the file as it is was made for: its window, or what its declared scaling extends that to.
std::uint64_t native_reach(const ModelConfig& config);
/// Every layer has a sliding window: no scaling makes such a model read further.
bool only_local_layers(const ModelConfig& config);
/// L of the formulas: options.original_context, the file's original length, its window.
std::uint64_t trained_length(const ModelConfig& config, const PositionOptions& options);
/// The smallest of 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32 … that is ≥ ratio.
double round_up_factor(double ratio);

}  // namespace tome
