#pragma once
// Bytes per second and seconds left for a download; reports at most ten times a second. One thread.
#include <chrono>
#include <cstdint>
#include <string_view>

#include "base/progress.h"

namespace tome {

class TransferProgress {
 public:
  /// `already`: bytes there before (a resumed part), which count as done but not into the speed.
  TransferProgress(const ProgressFunction& report, std::uint64_t already, std::uint64_t total)
      : report_(report), already_(already), total_(total) {}

  void update(std::uint64_t done, bool last = false) {
    const auto now = std::chrono::steady_clock::now();
    if (!report_ || (!last && now - last_ < std::chrono::milliseconds(100))) return;
    last_ = now;
    ProgressReport report;
    report.what = "downloading";
    report.done = done;
    report.total = total_;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    if (seconds > 0 && done > already_) report.units_per_second = static_cast<double>(done - already_) / seconds;
    if (report.units_per_second > 0 && total_ > done) {
      report.seconds_left = static_cast<double>(total_ - done) / report.units_per_second;
    }
    report_(report);
  }

 private:
  const ProgressFunction& report_;
  std::uint64_t already_, total_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now(), last_ = {};
};

}  // namespace tome
