#include "evaluation/results.h"

#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <type_traits>

#include "base/mapped_file.h"

namespace tome {
namespace {

constexpr std::uint64_t kLongestFile = std::uint64_t{4} << 30;

std::string file_in(const std::string& folder, const char* name) {
  return (std::filesystem::path(folder) / name).string();
}

Json bucket_json(const NllBucket& bucket) {
  return Json::array({bucket.first, bucket.last, bucket.tokens, bucket.sum, bucket.blocks, bucket.block_mean_sum,
                      bucket.block_mean_square_sum});
}

/// Reads fields of one line; the first that is missing or of another type makes the error.
class FieldReader {
 public:
  FieldReader(const Json& json, const std::string& where) : json_(json), where_(where) {
    if (!json.is_object()) problem_ = fmt::format("{}: {}, expected an object", where, json.type_name());
  }
  template <class T>
  void read(const char* name, T& to) {
    if (!problem_.empty()) return;
    const auto at = json_.find(name);
    if (at == json_.end()) {
      problem_ = fmt::format("{}: no field '{}'", where_, name);
      return;
    }
    const bool fits = !std::is_arithmetic_v<T> || (std::is_integral_v<T> ? at->is_number_unsigned() : at->is_number());
    try {
      if (fits) {
        to = at->get<T>();
        return;
      }
    } catch (const Json::exception&) {  // told below
    }
    problem_ = fmt::format("{}: field '{}' is {}, expected {}", where_, name, one_line(*at), expected<T>());
  }
  const std::string& problem() const { return problem_; }

 private:
  static std::string one_line(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 80);
  }
  template <class T>
  static const char* expected() {
    if (std::is_same_v<T, std::string>) return "a string";
    if (std::is_integral_v<T>) return "a whole number";
    return std::is_floating_point_v<T> ? "a number" : "an array";
  }
  const Json& json_;
  const std::string& where_;
  std::string problem_;
};

/// Whole lines of results.jsonl, and how many bytes they take: a run that was killed may have left half a line.
Result<std::vector<SampleResult>> read_lines(const std::string& path, std::uint64_t& bytes) {
  bytes = 0;
  std::vector<SampleResult> results;
  if (!std::filesystem::exists(path)) return results;
  TOME_ASSIGN(const std::string text, read_file(path, kLongestFile));
  for (std::size_t line = 1;; ++line) {
    const std::size_t end = text.find('\n', bytes);
    if (end == std::string::npos) return results;
    const std::string where = fmt::format("{}:{}", path, line);
    TOME_ASSIGN(const Json json, parse_json(std::string_view(text).substr(bytes, end - bytes), where));
    TOME_ASSIGN(SampleResult result, sample_result_from_json(json, where));
    results.push_back(std::move(result));
    bytes = end + 1;
  }
}

std::string text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Status refuse_other_settings(const std::string& path, const Json& found, const Json& wanted) {
  for (const auto& [name, value] : wanted.items()) {
    const Json other = found.value(name, Json());
    if (other != value)
      return fail(ErrorKind::usage, "[eval] {}: '{}' is {}, this run has {}: give another --out, or the same settings",
                  path, name, text(other), text(value));
  }
  for (const auto& [name, value] : found.items())
    if (!wanted.contains(name))
      return fail(ErrorKind::usage, "[eval] {}: '{}' is {}, this run has none: give another --out", path, name,
                  text(value));
  return {};
}

/// The first `count` whole lines of a file stay: what a kill left behind them is written again.
Status keep_lines(const std::string& path, std::size_t count) {
  if (!std::filesystem::exists(path)) return {};
  TOME_ASSIGN(const std::string whole, read_file(path, kLongestFile));
  std::size_t end = 0;
  for (; count > 0; --count) {
    const std::size_t next = whole.find('\n', end);
    if (next == std::string::npos) break;
    end = next + 1;
  }
  if (end == whole.size()) return {};
  return write_file_atomically(path, whole.substr(0, end));
}

Status write_line(std::FILE* file, const std::string& path, const Json& json) {
  const std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  if (std::fwrite(line.data(), 1, line.size(), file) != line.size() || std::fflush(file) != 0)
    return fail(ErrorKind::io, "[eval] {}: {}", path, std::strerror(errno));
  return {};
}

}  // namespace

Json to_json(const SampleResult& result) {
  Json json{{"id", result.id},
            {"task", result.task},
            {"cluster", result.cluster},
            {"length", result.length},
            {"condition", condition_name(result.condition)},
            {"recipe", result.recipe},
            {"prompt_tokens", result.prompt_tokens},
            {"new_tokens", result.new_tokens},
            {"positions", result.positions}};
  if (result.depth) json["depth"] = *result.depth;
  if (!result.nll.empty()) {
    for (const NllBucket& bucket : result.nll) json["nll"].push_back(bucket_json(bucket));
    return json;
  }
  json["prediction"] = result.prediction;
  json["stop"] = result.stop;
  json["answers"] = result.answers;
  json["score"] = result.score;
  json["chance"] = result.chance;
  json["bits"] = result.bits;
  return json;
}

Result<SampleResult> sample_result_from_json(const Json& json, const std::string& where) {
  SampleResult result;
  FieldReader reader(json, where);
  std::string condition;
  reader.read("id", result.id);
  reader.read("task", result.task);
  reader.read("cluster", result.cluster);
  reader.read("length", result.length);
  reader.read("condition", condition);
  reader.read("recipe", result.recipe);
  reader.read("prompt_tokens", result.prompt_tokens);
  reader.read("new_tokens", result.new_tokens);
  reader.read("positions", result.positions);
  if (json.contains("depth")) {
    double depth = 0;
    reader.read("depth", depth);
    result.depth = depth;
  }
  if (json.contains("nll")) {
    std::vector<std::vector<double>> buckets;
    reader.read("nll", buckets);
    if (buckets.empty() && reader.problem().empty())
      return fail(ErrorKind::format, "{}: field 'nll' is empty, expected seven figures a bucket", where);
    for (const auto& b : buckets) {
      if (b.size() != 7) return fail(ErrorKind::format, "{}: field 'nll' has {} figures, expected 7", where, b.size());
      const auto whole = [](double value) { return value > 0 && value < 1e15 ? static_cast<std::uint64_t>(value) : 0; };
      result.nll.push_back({whole(b[0]), whole(b[1]), whole(b[2]), b[3], whole(b[4]), b[5], b[6]});
    }
  } else {
    reader.read("prediction", result.prediction);
    reader.read("stop", result.stop);
    reader.read("answers", result.answers);
    reader.read("score", result.score);
    reader.read("chance", result.chance);
    reader.read("bits", result.bits);
  }
  if (!reader.problem().empty()) return fail(ErrorKind::format, "{}", reader.problem());
  for (const Condition one : {Condition::full, Condition::evidence_only, Condition::no_context})
    if (condition_name(one) == condition) {
      result.condition = one;
      return result;
    }
  return fail(ErrorKind::format, "{}: condition '{}', expected full, evidence_only or no_context", where, condition);
}

Result<StoredRun> read_run(const std::string& folder) {
  StoredRun run{.folder = folder};
  const std::string settings = file_in(folder, "run.json");
  TOME_ASSIGN(const std::string text, read_file(settings, std::uint64_t{1} << 24));
  TOME_ASSIGN(run.settings, parse_json(text, settings));
  if (!run.settings.is_object())
    return fail(ErrorKind::format, "{}: {}, expected an object", settings, run.settings.type_name());
  std::uint64_t bytes = 0;
  TOME_ASSIGN(run.results, read_lines(file_in(folder, "results.jsonl"), bytes));
  return run;
}

Result<RunFolder> RunFolder::open(const std::string& path, const Json& settings) {
  RunFolder run;
  run.path_ = path;
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (failed) return fail(ErrorKind::io, "[eval] {}: {}", path, failed.message());
  const std::string settings_path = file_in(path, "run.json"), results_path = file_in(path, "results.jsonl"),
                    timings_path = file_in(path, "timings.jsonl");
  std::uint64_t whole = 0;
  TOME_ASSIGN(run.finished_, read_lines(results_path, whole));
  if (std::filesystem::exists(settings_path) && whole > 0) {
    TOME_ASSIGN(const std::string text, read_file(settings_path, std::uint64_t{1} << 24));
    TOME_ASSIGN(const Json found, parse_json(text, settings_path));
    if (!found.is_object())
      return fail(ErrorKind::format, "{}: {}, expected an object", settings_path, found.type_name());
    TOME_TRY(refuse_other_settings(settings_path, found, settings));
  } else if (whole > 0) {
    return fail(ErrorKind::usage, "[eval] {}: results without a run.json: give another --out", path);
  } else {
    TOME_TRY(write_file_atomically(settings_path, settings.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"));
  }
  const auto open_at_end = [](const std::string& file) -> Result<std::unique_ptr<std::FILE, Close>> {
    std::unique_ptr<std::FILE, Close> opened(std::fopen(file.c_str(), "ab"));
    if (!opened) return fail(ErrorKind::io, "[eval] {}: {}", file, std::strerror(errno));
    return opened;
  };
  TOME_ASSIGN(run.results_, open_at_end(results_path));
  if (::flock(::fileno(run.results_.get()), LOCK_EX | LOCK_NB) != 0)
    return fail(ErrorKind::usage, "[eval] {}: another process is writing it", results_path);
  if (::ftruncate(::fileno(run.results_.get()), static_cast<off_t>(whole)) != 0)
    return fail(ErrorKind::io, "[eval] {}: {}", results_path, std::strerror(errno));
  TOME_TRY(keep_lines(timings_path, run.finished_.size()));
  TOME_ASSIGN(run.timings_, open_at_end(timings_path));
  return run;
}

Status RunFolder::append(const SampleResult& result, const Json& timing) {
  TOME_TRY(write_line(timings_.get(), file_in(path_, "timings.jsonl"), timing));
  TOME_TRY(write_line(results_.get(), file_in(path_, "results.jsonl"), to_json(result)));
  finished_.push_back(result);
  return {};
}

}  // namespace tome
