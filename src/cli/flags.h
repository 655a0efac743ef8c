#pragma once
// Flags that several commands share, spelled as llama.cpp's users know them, and what they mean for the runtime.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "position/position_plan.h"
#include "runtime/engine.h"
#include "runtime/sampler.h"

namespace tome::cli {

struct PositionFlags {
  std::string scaling = "auto";
  std::optional<double> factor, theta, ntk_alpha, beta_fast, beta_slow, attention_factor;
  std::string original_context;
  std::optional<std::uint64_t> group, neighbour_window;
  std::string temperature;
};
void add_position_flags(CLI::App& app, PositionFlags& flags);
/// automatic: positions are decided from the text's length. Errors: usage, naming the flag.
struct PositionChoice {
  PositionOptions options;
  bool automatic = true;
};
Result<PositionChoice> position_choice(const PositionFlags& flags);

struct ModelFlags {
  std::string model = "gemma3-270m";
  std::string adapter;
  int threads = 0;
  std::uint32_t chunk = 512;
  std::string kv_type;
  std::vector<std::string> attention;
  std::string attention_precision = "bf16";
  std::string precision = "native";
  bool mmap = false;
  PositionFlags positions;
};
/// -m alone, for commands that only look at the file.
void add_model_flag(CLI::App& app, std::string& model);
void add_model_flags(CLI::App& app, ModelFlags& flags);
/// Resolves the model's name too. Errors: usage, io (not pulled yet).
Result<EngineOptions> engine_options(const ModelFlags& flags);

struct SamplingFlags {
  SamplingOptions options;
  std::vector<std::string> stop;
};
void add_sampling_flags(CLI::App& app, SamplingFlags& flags);

/// "q,k,v" → its parts.
std::vector<std::string> list_of(const std::string& text);
/// "4096", "32k" (× 1024), "1M". Errors: usage, naming the flag.
Result<std::uint64_t> token_count(const std::string& flag, const std::string& text);
/// "512,4096" → numbers.
Result<std::vector<std::uint64_t>> token_counts(const std::string& flag, const std::string& text);

/// A file with a JSON array of ids. Errors: io; format, naming the entry that is no id of this vocabulary.
Result<std::vector<TokenId>> read_token_ids(const std::string& path, std::size_t vocabulary);

}  // namespace tome::cli
