#include "evaluation/plot_axis.h"

#include <algorithm>
#include <cmath>

#include "evaluation/report_text.h"

namespace tome {

bool is_drawable(double value) { return std::abs(value) <= 1e12; }
bool is_drawable(const Interval& interval) { return is_drawable(interval.low) && is_drawable(interval.high); }

double Axis::at(double value) const {
  double part =
      logarithmic ? std::log(std::max(value, low) / low) / std::log(high / low) : (value - low) / (high - low);
  part = std::clamp(part, 0.0, 1.0);
  return begin + part * (end - begin);
}

void ValueRange::show(double value) {
  if (!is_drawable(value)) return;
  if (!range_) range_ = Interval{value, value};
  range_->low = std::min(range_->low, value);
  range_->high = std::max(range_->high, value);
}

void ValueRange::show(const Interval& interval) {
  show(interval.low);
  show(interval.high);
}

bool ValueRange::wide() const {
  const auto [low, high] = get();
  return high - low > 1e-9 * std::max(std::abs(low), std::abs(high));
}

std::vector<Tick> round_ticks(double low, double high, int count) {
  const double raw = (high - low) / count;
  const double decade = std::pow(10.0, std::floor(std::log10(raw)));
  double step = decade * 10;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (decade * factor < raw * 0.8) continue;
    step = decade * factor;
    break;
  }
  const int decimals = std::clamp(static_cast<int>(-std::floor(std::log10(step * 1.001))), 0, 9);
  std::vector<Tick> ticks;
  const double first = std::ceil(low / step - 1e-6);
  for (int at = 0; at <= 3 * count && (first + at) * step <= high + step * 1e-6; ++at)
    ticks.push_back({(first + at) * step, number_text((first + at) * step, decimals)});
  return ticks;
}

std::vector<Tick> decade_ticks(double low, double high) {
  const bool many = high / low > 500;
  std::vector<Tick> ticks;
  for (int power = static_cast<int>(std::floor(std::log10(low))); power <= std::ceil(std::log10(high)); ++power) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double value = factor * std::pow(10.0, power);
      if (value < low || value > high || (many && factor != 1.0)) continue;
      ticks.push_back({value, number_text(value, std::clamp(-power, 0, 9))});
    }
  }
  return ticks;
}

std::vector<Tick> token_ticks(double low, double high, int count, bool logarithmic) {
  std::vector<Tick> ticks;
  if (logarithmic) {
    for (double value = std::exp2(std::ceil(std::log2(low) - 1e-9)); value <= high * 1.000001; value *= 2)
      ticks.push_back({value, axis_length_text(value)});
    return ticks;
  }
  const double step = std::max(1.0, std::exp2(std::ceil(std::log2((high - low) / count) - 1e-9)));
  for (double value = std::ceil(low / step) * step; value <= high; value += step)
    ticks.push_back({value, axis_length_text(value)});
  return ticks;
}

}  // namespace tome
