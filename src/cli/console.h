#pragma once
// What commands print with: standard output for results, standard error for notices and progress. Progress is drawn on
// a terminal only (or, when asked for, as lines). Figures are written for people: "118,210", "362.4 MB", "2 min 10 s".
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/progress.h"

namespace tome::cli {

/// Writes all of it to standard output and flushes. Errors: io (a closed pipe, a full disk).
Status print(std::string_view text);
/// Text of a document or a model on a terminal: control characters other than newline and tab as "\x1b".
std::string printable(std::string_view text);
/// One line on standard error, "tome: …", clear of the progress bar.
void print_notice(std::string_view line);
/// JSON as text; ill-formed UTF-8 inside becomes U+FFFD. indent −1: one line.
std::string json_text(const Json& json, int indent = 2);

std::string with_commas(std::uint64_t number);
std::string human_bytes(std::uint64_t bytes);
std::string human_seconds(double seconds);
/// White space runs as one space, cut at a word near `limit` bytes with "…".
std::string one_line(std::string_view text, std::size_t limit);
/// The process's largest resident set so far.
std::uint64_t peak_resident_bytes();

enum class ProgressStyle { automatic, always, never };
Result<ProgressStyle> progress_style(const std::string& name);
/// Draws reports; `unit` is "tokens" or "bytes".
ProgressFunction make_progress(ProgressStyle style, std::string_view unit);
/// Wipes the bar, when one is drawn.
void clear_progress();

}  // namespace tome::cli
