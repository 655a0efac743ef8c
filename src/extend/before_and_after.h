#pragma once
// What training bought: the same text read by the model with scaled positions alone and with the adapter, passkeys
// hidden in it, and short texts by the model as it was.
#include "base/result.h"
#include "extend/extend_options.h"
#include "tokenizer/tokenizer.h"
#include "training/training_texts.h"

namespace tome::extend {

/// Writes the text that is measured on to OUT/held-out.txt: --eval-data, or what was held out. Returns whether it is
/// long enough for one window of the target. Errors: io; format (not UTF-8).
Result<bool> write_measured_text(const ExtendFlags& flags, const ExtendPlan& plan, const TrainingTexts& texts,
                                 const Tokenizer& tokenizer);

/// Folder of the positions alone, an adapter of its own.
std::string positions_folder(const ExtendFlags& flags);

enum class When { before, after };
/// Perplexity of the text at --length and --target tokens as `tome eval perplexity` measures it, and passkeys at
/// --eval-passkey as `tome eval niah` does, into OUT/before-… or OUT/after-…; printed. before: also into OUT/native the
/// model as it was, at --length. Errors: those of `tome eval`.
Status measure(const ExtendFlags& flags, const ExtendPlan& plan, When when);

/// The two compared, window by window and answer by answer, and the short texts. Errors: as compare_runs.
Status compare_before_and_after(const ExtendFlags& flags, const ExtendPlan& plan);

}  // namespace tome::extend
