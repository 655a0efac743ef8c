#pragma once
// From values to places in a picture, and the values that are written beside an axis. Pure functions; any thread.
#include <optional>
#include <string>
#include <vector>

#include "evaluation/intervals.h"

namespace tome {

/// Finite, and small enough that differences and steps stay finite too.
bool is_drawable(double value);
bool is_drawable(const Interval& interval);

struct Axis {
  double low = 0, high = 1;   ///< values; low < high, above 0 when logarithmic
  double begin = 0, end = 1;  ///< places
  bool logarithmic = false;
  double at(double value) const;  ///< clipped to begin … end
};

/// Grows to hold every drawable value that it is shown.
class ValueRange {
 public:
  void show(double value);
  void show(const Interval& interval);
  bool empty() const { return !range_; }
  Interval get() const { return range_.value_or(Interval{0, 1}); }
  /// Whether its ends are far enough apart, for their size, to be told apart on an axis.
  bool wide() const;

 private:
  std::optional<Interval> range_;
};

struct Tick {
  double value = 0;
  std::string label = {};
};

/// Some `count` round values within low … high: multiples of 1, 2 or 5 times a power of ten.
std::vector<Tick> round_ticks(double low, double high, int count);
/// 1, 2 and 5 times powers of ten, thinned to powers of ten where that is enough.
std::vector<Tick> decade_ticks(double low, double high);
/// Multiples of a power of two tokens (linear), or powers of two.
std::vector<Tick> token_ticks(double low, double high, int count, bool logarithmic);

}  // namespace tome
