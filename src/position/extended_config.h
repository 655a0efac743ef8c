#pragma once
// The configuration of a model whose positions are scaled for good: what training prepares it for, an adapter asks for
// and a merged file declares. Pure function, any thread.
#include <span>

#include "base/result.h"
#include "formats/model_file.h"
#include "position/position_plan.h"

namespace tome {

/// `config` with linear, ntk (as a larger base), yarn or longrope by `factor` declared, and a window `factor` times as
/// long; none: as it is. divisors: λ of longrope, rope_dims / 2, used at every length (one table: what training saw).
/// Errors: unsupported for a method that model files cannot declare, and where the file declares another scaling
/// already; usage for a factor below 1, a window beyond 2³² tokens, or divisors that are missing, too many, out of
/// range or another method's.
Result<ModelConfig> extended_config(const ModelConfig& config, ScalingMethod method, double factor,
                                    std::span<const float> divisors = {});

}  // namespace tome
