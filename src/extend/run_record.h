#pragma once
// What a training run leaves beside its adapter: run.json (what it is of), loss.csv, loss.svg.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "extend/extend_options.h"
#include "training/training_texts.h"

namespace tome::extend {

/// Everything that a run's results depend on.
Json settings_of(const ExtendFlags& flags, const ExtendPlan& plan, const TrainingWeights& weights,
                 const TrainingTexts& texts);

/// Writes OUT/run.json, or finds it there. Errors: io; format; usage, naming the first setting that differs.
Status claim_folder(const std::string& folder, const Json& settings);

/// The steps that the folder's run was begun with. Errors: io, format.
Result<std::optional<std::uint64_t>> steps_begun_with(const std::string& folder);

/// loss.csv: every step. loss.svg: means over stretches of the run. Errors: io.
Status write_curve(const std::string& folder, const std::vector<TrainingStep>& history);

}  // namespace tome::extend
