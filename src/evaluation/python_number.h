#pragma once
// Numbers as Python makes and rounds them. Stateless; any thread.
#include <optional>
#include <span>
#include <string>

#include "evaluation/python_text.h"

namespace tome::python {

/// round(value, digits): the exact binary value rounded to `digits` decimals, ties to even; 2.675 becomes 2.67.
double round_decimals(double value, int digits);
/// numpy's round: scaled, rounded to even, scaled back; 2.675 becomes 2.68 and 12.345 becomes 12.34.
double numpy_round(double value, int digits);
/// numpy's mean: pairwise summation. NaN of nothing.
double numpy_mean(std::span<const double> values);

/// int(text) as a sign and digits without leading zeros ("-12"); none where Python raises: white space around it, a
/// sign, digits of any script and single underscores between them are allowed, more than 4300 digits are not.
std::optional<std::string> whole_number(TextView text);

/// repr(): "0.5", "3.0", "1e+16".
std::string repr(double value);

}  // namespace tome::python
