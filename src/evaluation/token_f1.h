#pragma once
// SQuAD's F1 over a multiset of tokens, as LongBench and InfiniteBench use it.
#include <vector>

#include "evaluation/python_text.h"

namespace tome {

/// 2pr/(p + r), with p and r over the multiset overlap; 0 when nothing is common (also for two empty lists).
double token_f1(const std::vector<python::Text>& prediction, const std::vector<python::Text>& gold);

/// Over normal_words() of both.
double english_f1(python::TextView prediction, python::TextView gold);
/// LongBench: over the normalised words of chinese_words().
double chinese_word_f1(python::TextView prediction, python::TextView gold);
/// InfiniteBench: over single characters of normal_chinese().
double chinese_character_f1(python::TextView prediction, python::TextView gold);

}  // namespace tome
