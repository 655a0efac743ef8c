// Writes the parsers' test cases as seeds for the fuzzers: write_seeds FOLDER makes FOLDER/gguf/<case>, … A case of
// more than 120 KB is left out: it would slow the fuzzer and teach it nothing.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>

#include "cache/snapshot_cases.h"
#include "formats/gguf_cases.h"
#include "formats/hf_cases.h"
#include "formats/hf_encoder_cases.h"
#include "formats/lora_cases.h"

namespace {

template <class Case>
void write(const std::filesystem::path& folder, const std::vector<Case>& cases) {
  std::filesystem::create_directories(folder);
  for (const auto& entry : cases)
    if (entry.input.size() <= 120000) std::ofstream(folder / entry.name, std::ios::binary) << entry.input;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", arguments[0]);
    return 2;
  }
  const std::filesystem::path folder = arguments[1];
  write(folder / "gguf", tome::test::gguf_cases());
  write(folder / "safetensors", tome::test::safetensors_cases());
  write(folder / "safetensors", tome::test::safetensors_index_cases());
  write(folder / "hf_config", tome::test::hf_config_cases());
  write(folder / "hf_config", tome::test::hf_encoder_config_cases());
  write(folder / "tokenizer_json", tome::test::tokenizer_cases());
  write(folder / "lora_adapter", tome::test::lora_cases());
  write(folder / "snapshot", tome::test::snapshot_cases());
  return 0;
}
