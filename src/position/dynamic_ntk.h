#pragma once
// Dynamic NTK: the base follows the current length l: b · (f·l/L − (f−1))^(d/(d−2)) as Hugging Face computes it; the
// paper's form (s = l/L) is f = 1. Below L nothing changes. Because the base moves, cached keys must be stored
// un-rotated or re-rotated (rerotate.h) when it does.
#include <cstdint>
#include <vector>

namespace tome {

double dynamic_ntk_base(double base, std::uint32_t dims, double trained, double length, double factor);
std::vector<double> dynamic_ntk(double base, std::uint32_t dims, double trained, double length, double factor);

}  // namespace tome
