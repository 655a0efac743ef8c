#include "runtime/generation_stop.h"

#include <algorithm>
#include <utility>

namespace tome {

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase_if(stops_, [](const std::string& stop) { return stop.empty(); });
}

std::string StopStrings::push(std::string_view text) {
  if (stopped_) return {};
  held_ += text;
  std::size_t earliest = std::string::npos;
  for (const std::string& stop : stops_) {
    const std::size_t at = held_.find(stop);
    if (at < earliest) {
      earliest = at;
      found_ = stop;
    }
  }
  if (earliest != std::string::npos) {
    stopped_ = true;
    return std::exchange(held_, {}).substr(0, earliest);
  }
  std::size_t keep = 0;  // longest end of held_ that begins a stop string
  for (const std::string& stop : stops_)
    for (std::size_t length = std::min(stop.size() - 1, held_.size()); length > keep; --length)
      if (held_.compare(held_.size() - length, length, stop, 0, length) == 0) {
        keep = length;
        break;
      }
  std::string ready = held_.substr(0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return ready;
}

std::string StopStrings::finish() { return stopped_ ? std::string{} : std::exchange(held_, {}); }

}  // namespace tome
