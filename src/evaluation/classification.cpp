#include "evaluation/classification.h"

#include <algorithm>

namespace tome {

double classification_score(python::TextView prediction, python::TextView gold,
                            const std::vector<std::string>& all_classes) {
  std::vector<python::Text> matches;
  for (const std::string& name : all_classes) {
    python::Text term = python::decode(name);
    if (prediction.find(term) != python::TextView::npos) matches.push_back(std::move(term));
  }
  for (std::size_t at = 0; at < matches.size(); ++at) {
    const python::Text term = matches[at];
    if (term == gold || gold.find(term) == python::TextView::npos) continue;
    matches.erase(std::find(matches.begin(), matches.end(), term));  // the first equal one, as list.remove
  }
  if (std::find(matches.begin(), matches.end(), gold) == matches.end()) return 0;
  return 1.0 / static_cast<double>(matches.size());
}

}  // namespace tome
