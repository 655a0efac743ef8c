#include "tokenizer/byte_alphabet.h"

#include "tokenizer/utf8.h"

namespace tome {
namespace {

constexpr std::uint32_t last_code_point = 0x143;

bool stands_for_itself(std::uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

}  // namespace

const std::array<std::uint32_t, 256>& byte_alphabet() {
  static const std::array<std::uint32_t, 256> alphabet = [] {
    std::array<std::uint32_t, 256> built{};
    std::uint32_t next = 0x100;
    for (std::uint32_t byte = 0; byte < 256; ++byte) built[byte] = stands_for_itself(byte) ? byte : next++;
    return built;
  }();
  return alphabet;
}

std::optional<std::string> bytes_of_alphabet(std::string_view piece) {
  static const std::array<int, last_code_point + 1> bytes = [] {
    std::array<int, last_code_point + 1> built{};
    built.fill(-1);
    for (int byte = 0; byte < 256; ++byte) built[byte_alphabet()[static_cast<std::size_t>(byte)]] = byte;
    return built;
  }();
  std::string result;
  for (std::size_t at = 0; at < piece.size();) {
    const Utf8Step step = read_utf8(piece, at);
    if (!step.valid || step.code_point > last_code_point || bytes[step.code_point] < 0) return std::nullopt;
    result += static_cast<char>(static_cast<unsigned char>(bytes[step.code_point]));
    at += step.length;
  }
  return result;
}

}  // namespace tome
