#pragma once
// `tome extend --search longrope`: divisors by which the model, untrained, reads the training texts best.
#include "base/result.h"
#include "extend/extend_options.h"
#include "training/training_texts.h"

namespace tome::extend {

/// Looks at candidates by their loss on --search-samples long samples of the texts (drawn by another seed than
/// training's), the methods linear, NTK and YaRN among them. OUT/search.json holds what was looked at: a search that
/// was stopped goes on. Prints the generations and the methods' own perplexities. Errors: io; format, usage for a
/// search.json of other settings; cancelled.
/// Leaves the graph with the last candidate's positions.
Result<std::vector<float>> search_longrope(const ExtendFlags& flags, const ExtendPlan& plan, const ModelFile& model,
                                           DecoderGradient& graph, const TrainingTexts& texts,
                                           const ProgressFunction& progress);

}  // namespace tome::extend
