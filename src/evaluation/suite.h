#pragma once
// The benchmarks that `tome eval` knows, by the names of their literature.
#include <optional>
#include <string_view>

namespace tome {

enum class Suite {
  niah,           ///< needles in a haystack: a grid of lengths × depths
  ruler,          ///< RULER's 13 tasks (arXiv 2404.06654)
  longbench,      ///< LongBench v1 and -E, 21 tasks (arXiv 2308.14508)
  longbench_v2,   ///< 503 multiple-choice questions (arXiv 2412.15204)
  infinitebench,  ///< 12 tasks of 100K tokens and more (arXiv 2402.13718)
  bookqa,         ///< questions about whole books, NarrativeQA's form
  govreport,      ///< summaries of reports
  qmsum,          ///< summaries of meetings for a query (arXiv 2104.05938)
  kv_retrieval,   ///< a value by its key out of a long JSON object (arXiv 2307.03172)
  perplexity,     ///< of a text: disjoint, sliding, by position, gain of the long context
  cue,            ///< context utilization efficiency
};

/// "longbench-v2", "kv-retrieval": as on the command line.
std::string_view suite_name(Suite suite);
std::optional<Suite> suite_by_name(std::string_view name);

}  // namespace tome
