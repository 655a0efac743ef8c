#pragma once
// The normalisers of LongBench and InfiniteBench, which descend from SQuAD's.
#include <string_view>
#include <vector>

#include "evaluation/python_text.h"

namespace tome {

/// English: lower case; the 32 ASCII punctuation characters deleted; whole words a, an, the (\b is Unicode's, so the
/// "a" of a decomposed "á" goes too) made spaces; split on white space.
std::vector<python::Text> normal_words(python::TextView text);

/// Chinese: lower case, ASCII and full-width punctuation deleted (the official list has "》" and lacks "《"), white
/// space deleted.
python::Text normal_chinese(python::TextView text);

}  // namespace tome
