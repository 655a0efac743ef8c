#pragma once
// `tome bench kv`: what each form of keys and values costs and loses.
#include "cli/commands.h"

namespace tome::cli {

Command add_bench_kv(CLI::App& bench);

}  // namespace tome::cli
