#pragma once
// RULER's 13 tasks with the paper's parameters (Hsieh et al. 2024, arXiv 2404.06654, tables 2 and 5).
#include <cstdint>
#include <span>
#include <string_view>

namespace tome {

enum class RulerKind { needles, variables, common_words, frequent_words, questions };
/// What needles are hidden in: one line again and again, prose, or other needles.
enum class RulerHaystackKind { noise, essay, needles };
enum class RulerWordKind { words, numbers, uuids };

struct RulerTask {
  std::string_view name;
  RulerKind kind;
  std::uint64_t max_new_tokens;
  RulerHaystackKind haystack = RulerHaystackKind::noise;
  RulerWordKind key_kind = RulerWordKind::words;
  RulerWordKind value_kind = RulerWordKind::numbers;
  std::size_t keys = 1;     ///< needles with keys of their own
  std::size_t values = 1;   ///< of each key
  std::size_t queries = 1;  ///< keys that are asked for
};

std::span<const RulerTask> ruler_tasks();

inline constexpr std::size_t ruler_hops = 4;            ///< vt: one chain, five variables
inline constexpr std::size_t ruler_common_words = 10;   ///< cwe
inline constexpr std::size_t ruler_common_times = 30;   ///< each occurs
inline constexpr std::size_t ruler_uncommon_times = 3;  ///< each of the others
inline constexpr std::size_t ruler_short_common = 6;    ///< the same two below 4096 tokens
inline constexpr std::size_t ruler_short_uncommon = 1;
inline constexpr std::uint64_t ruler_short_length = 4096;
inline constexpr double ruler_alpha = 2.0;             ///< fwe: exponent of the zeta distribution
inline constexpr std::size_t ruler_coded_letters = 6;  ///< fwe: of a word
inline constexpr std::uint64_t ruler_samples = 500;

}  // namespace tome
