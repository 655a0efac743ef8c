#pragma once
// The prose of RULER's essay tasks as words, each with its tokens counted once: text files, or text made here. As in
// RULER, white space is one space, every sample begins with the first word, and a text that is too short starts again.
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "tokenizer/tokenizer.h"

namespace tome {

class RulerHaystack {
 public:
  /// files: none for generated text. tokens: of the longest prompt. Errors: io and format, naming the file.
  static Result<RulerHaystack> create(const Tokenizer& tokenizer, std::vector<std::string> files, std::uint64_t tokens,
                                      std::uint64_t seed);

  std::uint64_t tokens(std::size_t words) const;  ///< of the first so many
  /// Words [first, last), joined by spaces.
  std::string text(std::size_t first, std::size_t last) const;
  std::size_t sentences(std::size_t words) const;  ///< in the first so many, the last one perhaps cut
  /// The word with which sentence `sentence` of the first `words` begins; `words` for the one after the last.
  std::size_t sentence_start(std::size_t sentence, std::size_t words) const;
  bool generated() const { return generated_; }
  const std::vector<std::string>& names() const { return names_; }  ///< of the files, without folders

 private:
  void split(const std::string& text, std::uint64_t most_bytes);
  void count_tokens(const Tokenizer& tokenizer);
  std::string text_;
  std::vector<std::uint64_t> word_ends_;     // byte after each word of text_
  std::vector<std::uint64_t> token_counts_;  // [words + 1], of the first so many
  std::vector<std::size_t> sentence_ends_;   // index of each sentence's last word, ascending
  std::vector<std::string> names_;
  bool generated_ = false;
};

}  // namespace tome
