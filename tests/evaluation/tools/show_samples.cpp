// Makes the samples of a suite without running a model: what docs/evaluation-data.md shows, and how long it takes.
// evaluation_samples MODEL.gguf SUITE [--length N] [--samples N] [--task NAME] [--data PATH] [--haystack FILE]
//   [--prompts FILE] [--depth D] [--max-input N] [--baselines] [--show INDEX]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "evaluation/sources.h"
#include "formats/model_file.h"

namespace tome {
namespace {

struct Arguments {
  SampleOptions options;
  std::optional<std::size_t> show;
};

bool read_argument(Arguments& arguments, const std::string& flag, const std::string& value) {
  SampleOptions& options = arguments.options;
  const auto number = [&] { return std::strtoull(value.c_str(), nullptr, 10); };
  if (flag == "--length")
    options.lengths.push_back(number());
  else if (flag == "--samples")
    options.samples = number();
  else if (flag == "--task")
    options.tasks.push_back(value);
  else if (flag == "--data")
    options.data.push_back(value);
  else if (flag == "--haystack")
    options.haystack.push_back(value);
  else if (flag == "--prompts")
    options.prompts = value;
  else if (flag == "--depth")
    options.depths.push_back(std::strtod(value.c_str(), nullptr));
  else if (flag == "--max-input")
    options.max_input = number();
  else if (flag == "--show")
    arguments.show = number();
  else
    return false;
  return true;
}

Status show(const Arguments& arguments, Suite suite, const Tokenizer& tokenizer) {
  const auto start = std::chrono::steady_clock::now();
  TOME_ASSIGN(const auto source, make_source(suite, arguments.options));
  const auto notices = source->notices();
  for (std::size_t at = 0; at < std::min<std::size_t>(notices.size(), 10); ++at) fmt::print("{}\n", notices[at]);
  if (notices.size() > 10) fmt::print("… {} more\n", notices.size() - 10);
  std::size_t least = SIZE_MAX, most = 0;
  for (std::size_t index = 0; index < source->count(); ++index) {
    if (arguments.show && *arguments.show != index) continue;
    TOME_ASSIGN(const Sample sample, source->make(index));
    least = std::min<std::size_t>(least, sample.prompt.size());
    most = std::max<std::size_t>(most, sample.prompt.size());
    if (arguments.show)
      fmt::print("{} {}\n{}\nanswers: {}\n{}\n", sample.id, sample.cluster, tokenizer.decode(sample.prompt, true),
                 fmt::join(sample.gold.answers, " | "), sample.recipe.dump());
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  fmt::print("{} samples, prompts of {} to {} tokens, {:.1f} s\n", source->count(), least, most, seconds.count());
  return {};
}

Status run(int count, char** words) {
  if (count < 3) return fail(ErrorKind::usage, "usage: evaluation_samples MODEL.gguf SUITE [--flag value]…");
  Arguments arguments;
  arguments.options.samples = 0;
  arguments.options.baselines = false;
  for (int at = 3; at < count; ++at) {
    const std::string flag = words[at];
    if (flag == "--baselines")
      arguments.options.baselines = true;
    else if (at + 1 == count || !read_argument(arguments, flag, words[++at]))
      return fail(ErrorKind::usage, "{}: unknown, or without a value", flag);
  }
  TOME_ASSIGN(const auto file, open_model_file(words[1]));
  TOME_ASSIGN(const auto tokenizer, Tokenizer::create(file->tokenizer));
  arguments.options.tokenizer = tokenizer.get();
  const auto suite = suite_by_name(words[2]);
  if (!suite) return fail(ErrorKind::usage, "'{}': no suite", words[2]);
  return show(arguments, *suite, *tokenizer);
}

}  // namespace
}  // namespace tome

int main(int count, char** words) {
  const tome::Status status = tome::run(count, words);
  if (!status) std::fprintf(stderr, "%s\n", status.error().message.c_str());
  return status ? 0 : 1;
}
