#pragma once
// How the report writes text and numbers: the same value reads the same in a plot, in its hover text and in its table.
// Pure functions; any thread.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "evaluation/intervals.h"

namespace tome {

/// For HTML and XML, in content and in quoted attributes: markup is escaped; ill-formed UTF-8 and characters that XML
/// forbids or that turn the direction of text become U+FFFD.
std::string escaped(std::string_view text);

/// "0.975", "−12.50"; "NaN", "∞"; seven digits and more before the point: "1.23e+09".
std::string number_text(double value, int decimals);
inline std::string score_text(double score) { return number_text(score, 3); }
/// "[0.871, 0.996]"
std::string interval_text(const Interval& interval, int decimals = 3);
/// "0.031", "< 0.001"
std::string probability_text(double p);
/// "1,234"
std::string count_text(std::uint64_t count);
/// "4K" and "1M" for multiples of 1024 and 1024², else "10,000"; 0: "as it is".
std::string length_text(std::uint64_t tokens);
/// The same for an axis, where space is short: "10000", "1.8e+19"; 0: "0".
std::string axis_length_text(double tokens);
/// "50 %", "12.5 %"
std::string depth_text(double depth);

/// Upper estimate of the width of a text in a sans-serif face, in the units of `font_size`.
double text_width(std::string_view text, double font_size);
/// The text, or as much of it as fits with "…" behind.
std::string shortened(std::string_view text, double font_size, double width);
/// The same with the "…" before the last six characters, where "task, 32K" tells itself from "task, 64K".
std::string shortened_inside(std::string_view text, double font_size, double width);

}  // namespace tome
