#pragma once
// LongBench v2's answer letter.
#include <optional>

#include "evaluation/python_text.h"

namespace tome {

/// After deleting every "*": "The correct answer is (A)", else "The correct answer is A" (also the A of "Apples").
std::optional<char> choice_letter(python::TextView response);

}  // namespace tome
