#pragma once
// LongBench v1's rule for each of its 21 tasks (arXiv 2308.14508).
#include <span>
#include <string_view>

#include "base/result.h"
#include "evaluation/code_similarity.h"
#include "evaluation/scorers.h"

namespace tome {

std::span<const std::string_view> longbench_tasks();
bool is_longbench_task(std::string_view task);
/// trec, triviaqa, samsum, lsht: only the first line counts, after leading newlines.
bool longbench_first_line_only(std::string_view task);
/// Cut by chinese_words(): the four tasks whose score hangs on a segmenter.
bool longbench_needs_segmenter(std::string_view task);

/// The best over the answers. Errors: usage (task), format (gold that the rule cannot use), unsupported (too long).
Result<double> longbench_score(std::string_view task, std::string_view prediction, const Gold& gold,
                               StringRatio ratio = StringRatio::matching_blocks);

}  // namespace tome
