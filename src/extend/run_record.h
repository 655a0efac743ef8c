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

/// Everything that a run's results depend on, by the flags' names; without steps, where plan.trainer.steps is 0.
Json settings_of(const ExtendFlags& flags, const ExtendPlan& plan, const TrainingWeights& weights,
                 const TrainingTexts& texts);

/// Whether `earlier` has the same settings, as far as `settings` names them. Errors: usage, naming the first that
/// differs and both values; file: for the message.
Status check_same_settings(const Json& earlier, const Json& settings, const std::string& file);

enum class Claim { look, write };
/// Compares with OUT/run.json, where there is one; write: writes it where there is none. Errors: io; format; usage as
/// above.
Status claim_folder(const std::string& folder, const Json& settings, Claim claim);

/// The steps that the folder's run was begun with. Errors: io, format.
Result<std::optional<std::uint64_t>> steps_begun_with(const std::string& folder);

/// loss.csv: every step. loss.svg: means over stretches of the run. Errors: io.
Status write_curve(const std::string& folder, const std::vector<TrainingStep>& history);

}  // namespace tome::extend
