#pragma once
// What training bought: the same held-out text read by the model with scaled positions alone and with the adapter, and
// short texts by the model as it was.
#include "base/result.h"
#include "extend/extend_options.h"
#include "tokenizer/tokenizer.h"
#include "training/training_texts.h"

namespace tome::extend {

/// Writes the held-out text to OUT/held-out.txt. Returns whether it is long enough for one window of the target.
/// Errors: io.
Result<bool> write_held_out(const ExtendFlags& flags, const ExtendPlan& plan, const TrainingTexts& texts,
                            const Tokenizer& tokenizer);

enum class When { before, after };
/// Perplexity of the held-out text at --length and --target tokens, as `tome eval perplexity` measures it, into
/// OUT/eval-before or OUT/eval-after; printed. before: scaled positions without the adapter, and into OUT/eval-native
/// the model as it was, at --length. Errors: those of `tome eval`.
Status measure(const ExtendFlags& flags, const ExtendPlan& plan, When when);

/// The two compared window by window, and a sentence. Errors: as compare_runs.
Status compare_before_and_after(const ExtendFlags& flags);

}  // namespace tome::extend
