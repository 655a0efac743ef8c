#pragma once
// From what training turned to an adapter on disk.
#include <string>

#include "base/result.h"
#include "extend/extend_options.h"
#include "training/training_weights.h"

namespace tome::extend {

/// The plan's positions without a change to any weight: what the model is before it is trained. Errors: io.
Status save_positions(const std::string& folder, const ModelFile& model, const ExtendFlags& flags,
                      const ExtendPlan& plan);

/// Errors: io.
Status save_adapter(const std::string& folder, const TrainingWeights& weights, const ExtendFlags& flags,
                    const ExtendPlan& plan);

}  // namespace tome::extend
