#pragma once
// What some articles print under YaRN's name: uniform interpolation θ/s and a temperature T = 0.5 + 0.5 s that divides
// the logits. It is not YaRN: the paper sharpens (t = 1/m² < 1), this flattens (T > 1). Kept so that it can be
// measured.
#include <cstdint>
#include <vector>

namespace tome {

std::vector<double> article_yarn(double base, std::uint32_t dims, double scale);
/// T = 0.5 + 0.5 · scale: 2.5 at s = 4, where the paper has 0.771.
double article_temperature(double scale);

}  // namespace tome
