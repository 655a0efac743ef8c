#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>

namespace tome {
namespace {

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = spdlog::stderr_color_mt("tome");
    made->set_pattern("%^%l%$: %v");
    const char* wanted = std::getenv("TOME_LOG");
    made->set_level(spdlog::level::from_str(wanted ? wanted : "warn"));
    return made;
  }();
  return *instance;
}

std::mutex fallback_mutex;
std::vector<std::string> fallbacks;

}  // namespace

void log_message(LogLevel level, std::string_view message) {
  static constexpr spdlog::level::level_enum levels[] = {spdlog::level::trace, spdlog::level::debug,
                                                         spdlog::level::info, spdlog::level::warn, spdlog::level::err};
  logger().log(levels[static_cast<int>(level)], "{}", message);
}

void report_fallback(std::string_view what, std::string_view reason) {
  std::string line = std::string(what) + ": " + std::string(reason);
  {
    const std::lock_guard lock(fallback_mutex);
    if (std::find(fallbacks.begin(), fallbacks.end(), line) != fallbacks.end()) return;
    fallbacks.push_back(line);
  }
  log_message(LogLevel::warn, "slower path: " + line);
}

std::vector<std::string> reported_fallbacks() {
  const std::lock_guard lock(fallback_mutex);
  return fallbacks;
}

}  // namespace tome
