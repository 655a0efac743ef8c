#pragma once
// What `tome info --positions --target 128k` shows: which setting won, m and m², and the table that the kernels will
// read, beside the one the model was trained with. Text only; cli prints it.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "position/position_plan.h"

namespace tome {

struct FrequencyRow {
  std::uint32_t pair = 0;
  double trained = 0, effective = 0;  ///< inverse frequencies
  double divided_by = 1;              ///< trained / effective
  double wavelength = 0;              ///< tokens per turn, effective
  double turns = 0;                   ///< over the trained length, as trained
};

struct PositionDescription {
  std::vector<std::pair<std::string, std::string>> facts;  ///< "method" → "yarn x4" …
  std::vector<FrequencyRow> rows;                          ///< one a pair, of the first part's table
};

PositionDescription describe(const PositionPlan& plan, const ModelConfig& config, std::uint64_t target_length);
/// The facts, then at most `max_rows` evenly spaced rows (0: all), as aligned lines.
std::string to_text(const PositionDescription& description, std::size_t max_rows = 16);

}  // namespace tome
