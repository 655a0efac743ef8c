#pragma once
// Tokenizers for tests: the packaged models' own (from the file that scripts/test.sh pulls) and the trained ones.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "formats/model_file.h"
#include "tokenizer/spec_file.h"
#include "tokenizer/tokenizer.h"

namespace tome::test {

inline std::string models_folder() {
  if (const char* folder = std::getenv("TOME_TEST_MODELS")) return folder;
  if (const char* cache = std::getenv("XDG_CACHE_HOME")) return std::string(cache) + "/tome/models";
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr ? home : ".") + "/.cache/tome/models";
}

inline bool is_packaged(const std::string& name) { return name == "smollm2" || name == "gemma3"; }

inline std::string packaged_path(const std::string& name) {
  return models_folder() + (name == "smollm2" ? "/SmolLM2-135M-Instruct.Q4_1.gguf" : "/gemma-3-270m-q4_k_m.gguf");
}

/// False when a packaged model's file is not there: skip, or fail when TOME_REQUIRE_MODELS=1.
inline bool is_there(const std::string& name) {
  return !is_packaged(name) || std::filesystem::exists(packaged_path(name));
}
inline bool models_are_required() {
  const char* required = std::getenv("TOME_REQUIRE_MODELS");
  return required != nullptr && std::string(required) == "1";
}

inline TokenizerSpec spec_of(const std::string& name) {
  if (!is_packaged(name)) return read_spec(std::string(TOME_TEST_DATA) + "/tokenizer/" + name + ".json");
  const auto file = open_model_file(packaged_path(name));
  if (!file) throw std::runtime_error(file.error().message);
  return (*file)->tokenizer;
}

/// Made once per process.
inline const Tokenizer& tokenizer_of(const std::string& name) {
  static std::map<std::string, std::shared_ptr<const Tokenizer>> made;
  auto& tokenizer = made[name];
  if (!tokenizer) {
    const auto created = Tokenizer::create(spec_of(name));
    if (!created) throw std::runtime_error(created.error().message);
    tokenizer = *created;
  }
  return *tokenizer;
}

}  // namespace tome::test

/// At the head of a test that needs a tokenizer by name.
#define TOME_NEED_MODEL(name)                                                                                   \
  do {                                                                                                          \
    if (!::tome::test::is_there(name)) {                                                                        \
      const std::string missing_ =                                                                              \
          "model file missing: " + ::tome::test::packaged_path(name) + " (tome pull, or set TOME_TEST_MODELS)"; \
      if (::tome::test::models_are_required()) FAIL() << missing_;                                              \
      GTEST_SKIP() << missing_;                                                                                 \
    }                                                                                                           \
  } while (false)
