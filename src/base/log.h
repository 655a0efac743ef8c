#pragma once
// Diagnostics to standard error (level by TOME_LOG=trace|debug|info|warn|error, default warn) and the one list of
// fallbacks: every slower path taken is reported once, with its reason, and can be listed afterwards.
#include <string>
#include <string_view>
#include <vector>

namespace tome {

enum class LogLevel { trace, debug, info, warn, error };

void log_message(LogLevel level, std::string_view message);

/// Says once per (what, reason) that a slower path runs. Thread-safe.
void report_fallback(std::string_view what, std::string_view reason);
/// All fallbacks reported so far, "what: reason".
std::vector<std::string> reported_fallbacks();

}  // namespace tome
