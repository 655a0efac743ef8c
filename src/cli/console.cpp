#include "cli/console.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>

namespace tome::cli {
namespace {

bool bar_drawn = false;

std::string describe(const ProgressReport& report, std::string_view unit) {
  const bool bytes = unit == "bytes";
  const auto amount = [&](std::uint64_t value) { return bytes ? human_bytes(value) : with_commas(value); };
  std::string line = fmt::format("{} {}", report.what, amount(report.done));
  if (report.total > 0)
    line += fmt::format(" of {} ({:.0f} %)", amount(report.total),
                        100.0 * static_cast<double>(report.done) / static_cast<double>(report.total));
  if (!bytes) line += fmt::format(" {}", unit);
  if (report.units_per_second > 0)
    line += bytes ? fmt::format(", {}/s", human_bytes(static_cast<std::uint64_t>(report.units_per_second)))
                  : fmt::format(", {:.0f} {}/s", report.units_per_second, unit);
  if (report.seconds_left > 0) line += fmt::format(", {} left", human_seconds(report.seconds_left));
  return line;
}

}  // namespace

Status print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    return fail(ErrorKind::io, "[output] standard output: {}", std::strerror(errno));
  return {};
}

std::string printable(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f)
      result += fmt::format("\\x{:02x}", byte);
    else
      result += c;
  }
  return result;
}

void print_notice(std::string_view line) {
  clear_progress();
  std::fprintf(stderr, "tome: %.*s\n", static_cast<int>(line.size()), line.data());
}

std::string json_text(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string with_commas(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string human_bytes(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes < 1000) return fmt::format("{} B", bytes);
  if (value < 1e6) return fmt::format("{:.1f} kB", value / 1e3);
  if (value < 1e9) return fmt::format("{:.1f} MB", value / 1e6);
  return fmt::format("{:.2f} GB", value / 1e9);
}

std::string human_seconds(double seconds) {
  if (seconds < 0.0995) return fmt::format("{:.0f} ms", seconds * 1e3);
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string one_line(std::string_view text, std::size_t limit) {
  std::string line;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
    if (!space)
      line += c;
    else if (!line.empty() && line.back() != ' ')
      line += ' ';
  }
  if (!line.empty() && line.back() == ' ') line.pop_back();
  if (line.size() <= limit) return line;
  std::size_t cut = line.rfind(' ', limit);
  if (cut == std::string::npos || cut < limit / 2) {
    cut = limit;
    while (cut > 0 && (static_cast<unsigned char>(line[cut]) & 0xc0) == 0x80) --cut;
  }
  return line.substr(0, cut) + " …";
}

std::uint64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

Result<ProgressStyle> progress_style(const std::string& name) {
  if (name == "auto") return ProgressStyle::automatic;
  if (name == "always") return ProgressStyle::always;
  if (name == "never") return ProgressStyle::never;
  return fail(ErrorKind::usage, "--progress {}: expected auto, always or never", name);
}

ProgressFunction make_progress(ProgressStyle style, std::string_view unit) {
  const bool terminal = isatty(STDERR_FILENO) == 1;
  if (style == ProgressStyle::never || (style == ProgressStyle::automatic && !terminal)) return {};
  struct State {
    std::chrono::steady_clock::time_point last{};
    std::string what;
  };
  return [state = std::make_shared<State>(), terminal, unit = std::string(unit)](const ProgressReport& report) {
    // Twice a second on a terminal; a line every ten seconds in a pipe that asked for it.
    const auto now = std::chrono::steady_clock::now();
    const bool last = report.total > 0 && report.done >= report.total;
    const bool fresh = state->what != report.what;
    if (!fresh && !last && now - state->last < std::chrono::milliseconds(terminal ? 500 : 10000)) return;
    state->last = now;
    state->what = std::string(report.what);
    const std::string line = describe(report, unit);
    if (terminal) {
      std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
      bar_drawn = true;
      if (last) clear_progress();
    } else {
      std::fprintf(stderr, "tome: %s\n", line.c_str());
    }
    std::fflush(stderr);
  };
}

void clear_progress() {
  if (!bar_drawn) return;
  std::fprintf(stderr, "\r\x1b[K");
  std::fflush(stderr);
  bar_drawn = false;
}

}  // namespace tome::cli
