#pragma once
// One flag for "stop cleanly": set by Ctrl-C (installed by cli and server), polled by every long loop.
#include <atomic>

namespace tome {

inline std::atomic<bool>& cancel_requested() {
  static std::atomic<bool> flag{false};
  return flag;
}

}  // namespace tome
