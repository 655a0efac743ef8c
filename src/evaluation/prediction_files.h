#pragma once
// Predictions made anywhere, in each benchmark's own file format: JSON lines (or one JSON array). What is wrong with a
// line is told with file and line, and the others are read.
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "evaluation/scorers.h"

namespace tome {

struct Prediction {
  std::string task;  ///< the benchmark's own name; empty where a suite has one task
  std::string text;
  Gold gold;
  std::string cluster;           ///< fields cluster, document, document_id, doc_id; else empty
  std::optional<double> length;  ///< LongBench: words of the input
  std::string length_class;      ///< LongBench v2: short, medium, long
  std::string difficulty;        ///< LongBench v2: easy, hard
  std::optional<bool> judge;     ///< LongBench v2: already found right or wrong
  std::string place;             ///< "FILE:LINE"
};

struct PredictionOptions {
  Suite suite = Suite::niah;
  std::string task = "";     ///< --task; empty: from the file's name, else from each line's field task or dataset
  bool need_length = false;  ///< LongBench-E
};

/// Gold answers that stand in other files than the predictions (--data): the benchmark's dataset.
class GoldRecords {
 public:
  /// Adds a dataset file, lines or one array. Errors: io; format, naming the line.
  Status add(const std::string& path);
  /// The record with the same _id, id or index; without such a field that of the same number in the file.
  const Json* find(const Json& prediction, std::size_t number) const;
  bool empty() const { return records_.empty(); }

 private:
  void keep(Json record);
  std::vector<Json> records_;
  std::unordered_map<std::string, std::size_t> by_id_;
};

struct PredictionFile {
  std::vector<Prediction> predictions;
  std::size_t skipped = 0;  ///< lines
};

/// "FILE:LINE: what was found, what was expected"
using LineReport = std::function<void(const std::string&)>;

constexpr std::uint64_t longest_prediction_line = std::uint64_t{64} << 20;

/// One line. Errors: format, "field: found …, expected …".
Result<Prediction> parse_prediction(std::string_view line, const PredictionOptions& options,
                                    const GoldRecords& gold = {}, std::size_t number = 0);
/// Errors: io. Blank lines are passed over; LongBench's all_classes are those of the last line, as in its eval.py.
Result<PredictionFile> read_predictions(const std::string& path, PredictionOptions options, const GoldRecords& gold,
                                        const LineReport& report);

}  // namespace tome
