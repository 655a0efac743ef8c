#pragma once
// The model's chat template around the exercises of a training run.
#include "base/result.h"
#include "tokenizer/tokenizer.h"
#include "training/retrieval_exercises.h"

namespace tome::extend {

/// All empty where the model has no template. Errors: unsupported, for a template that changes what is said; those of
/// the template.
Result<ChatTurns> chat_turns(const Tokenizer& tokenizer);

}  // namespace tome::extend
