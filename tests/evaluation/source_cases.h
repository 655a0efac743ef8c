#pragma once
// What the tests of sample sources share.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "evaluation/sample.h"
#include "runtime/fake_tokenizer.h"

namespace tome::testing {

inline constexpr const char* chat_ml =
    "{% for message in messages %}<turn>{{ message['role'] }}\n{{ message['content'] }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<turn>assistant\n{% endif %}";

inline SampleOptions options_for(const Tokenizer& tokenizer) {
  SampleOptions options;
  options.tokenizer = &tokenizer;
  options.samples = 0;
  options.baselines = false;
  return options;
}

inline std::string prompt_text(const Tokenizer& tokenizer, const Sample& sample) {
  return tokenizer.decode(sample.prompt, true);
}

inline std::size_t occurrences(const std::string& text, const std::string& of) {
  std::size_t count = 0;
  for (std::size_t at = text.find(of); at != std::string::npos; at = text.find(of, at + 1)) ++count;
  return count;
}

inline std::vector<Sample> all_samples(const SampleSource& source) {
  std::vector<Sample> samples;
  for (std::size_t index = 0; index < source.count(); ++index) {
    auto sample = source.make(index);
    if (!sample) throw std::runtime_error(sample.error().message);
    samples.push_back(std::move(*sample));
  }
  return samples;
}

/// The message of a factory's error; "" when there is none.
inline std::string error_of(const Result<std::unique_ptr<SampleSource>>& source) {
  return source ? "" : source.error().message;
}

}  // namespace tome::testing
