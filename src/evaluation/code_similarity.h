#pragma once
// LongBench's code similarity: fuzz.ratio of fuzzywuzzy, which without python-Levenshtein is Python's difflib
// (Ratcliff and Obershelp's matching blocks), and with it the indel ratio.
#include "base/result.h"
#include "evaluation/python_text.h"

namespace tome {

enum class StringRatio {
  matching_blocks,  ///< difflib.SequenceMatcher(None, first, second) with autojunk: the official one
  indel,            ///< 2·LCS/(lengths), as python-Levenshtein has it
};

/// Characters in difflib's matching blocks. autojunk: when `second` has 200 characters or more, those that are more
/// than 1 % of it start no block. Errors: unsupported (too long to compare).
Result<std::size_t> matching_characters(python::TextView first, python::TextView second);

/// 0 … 100: equal strings are 100 before any matching, an empty one is 0; rounded half to even.
Result<int> string_ratio(python::TextView first, python::TextView second,
                         StringRatio kind = StringRatio::matching_blocks);

/// 0 … 1: the first line of the prediction (after leading newlines) without "`", "#" and "//", against the gold line.
Result<double> code_similarity(python::TextView prediction, python::TextView gold,
                               StringRatio kind = StringRatio::matching_blocks);

}  // namespace tome
