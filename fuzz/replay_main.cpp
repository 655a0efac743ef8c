// Runs every file of a corpus folder through a fuzzer's entry point, so that what fuzzing once found stays found in
// builds without libFuzzer. Fails when the folder is missing or empty.
//   gguf_fuzz FOLDER              replay
//   gguf_fuzz --messages FOLDER   replay, then print each distinct message that the parser gave, one a line
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "message_sink.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int count, char** arguments) {
  const bool print = count > 1 && std::string(arguments[1]) == "--messages";
  if (count != (print ? 3 : 2)) {
    std::fprintf(stderr, "usage: %s [--messages] FOLDER\n", arguments[0]);
    return 2;
  }
  const std::filesystem::path folder = arguments[count - 1];
  std::error_code problem;
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder, problem))
    if (entry.is_regular_file()) files.insert(entry.path());
  if (problem || files.empty()) {
    std::fprintf(stderr, "%s: %s\n", folder.c_str(), problem ? problem.message().c_str() : "no files to replay");
    return 1;
  }
  std::set<std::string> messages;
  if (print) tome::fuzz::collected_messages = &messages;
  for (const auto& path : files) {
    std::ifstream file(path, std::ios::binary);
    // A copy of exactly this size: sanitizers see reads past it.
    const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
  for (const std::string& message : messages) std::printf("%s\n", message.c_str());
  if (!print) std::printf("%zu files replayed\n", files.size());
  return 0;
}
