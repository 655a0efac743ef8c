#include "evaluation/ruler_scores.h"

namespace tome {
namespace {

using python::Text;
using python::TextView;

std::vector<bool> found_references(TextView prediction, const std::vector<std::string>& references) {
  const Text text = python::lower(ruler_prediction(prediction));
  std::vector<bool> found;
  for (const std::string& reference : references)
    found.push_back(text.find(python::lower(python::decode(reference))) != Text::npos);
  return found;
}

}  // namespace

Text ruler_prediction(TextView prediction) {
  Text text(python::strip(prediction));
  for (char32_t& character : text)
    if (character < 0x20) character = U'\n';
  return Text(python::strip(text));
}

double match_all(TextView prediction, const std::vector<std::string>& references) {
  if (references.empty()) return 0;
  double found = 0;
  for (const bool one : found_references(prediction, references)) found += one ? 1 : 0;
  return found / static_cast<double>(references.size());
}

double match_part(TextView prediction, const std::vector<std::string>& references) {
  for (const bool one : found_references(prediction, references))
    if (one) return 1;
  return 0;
}

}  // namespace tome
