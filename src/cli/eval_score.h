#pragma once
// `tome eval score`: the official scorers on predictions made anywhere.
#include "cli/commands.h"

namespace tome::cli {

Command add_eval_score(CLI::App& eval);

}  // namespace tome::cli
