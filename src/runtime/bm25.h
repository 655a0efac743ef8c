#pragma once
// BM25 (Robertson, Zaragoza 2009) over passages: what plain word counting finds, to be shown beside what the model
// finds. Words are runs of letters and digits, ASCII letters lowered; bytes above 127 count as letters.
#include <string_view>
#include <vector>

namespace tome {

struct Bm25Options {
  double k1 = 1.2;  ///< how soon repetition stops counting
  double b = 0.75;  ///< how much length counts
};

/// One score per passage. idf = ln(1 + (N − n + 0.5) / (n + 0.5)).
std::vector<double> bm25_scores(const std::vector<std::string_view>& passages, std::string_view question,
                                const Bm25Options& options = {});

}  // namespace tome
