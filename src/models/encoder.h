#pragma once
// The forward pass of an encoder that reads both ways: Longformer and BigBird are this one graph (embeddings of word,
// position and type; attention and MLP, each followed by LayerNorm of the sum), told apart by EncoderConfig
// (formats/encoder_file.h). One text at a time, whole; cost linear in its length with sparse attention. Owns views of
// the weights and scratch. One call at a time.
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "kernels/matmul.h"
#include "models/encoder_weights.h"

namespace tome {

struct EncodedText {
  std::vector<float> states;  ///< [tokens, hidden]
  std::vector<float> pooled;  ///< [hidden], of the first token; empty: the checkpoint has no pooler
};

class Encoder {
 public:
  struct Options {
    bool fp32 = true;  ///< fp32 products; else the machine's own (bf16 or codes of 16 bits), faster
  };
  Encoder(std::shared_ptr<const EncoderFile> file, const Options& options);
  ~Encoder();

  const EncoderConfig& config() const { return weights_.file->config; }
  bool has_head() const { return weights_.file->has_head; }
  /// Tokens of the longest text that the position table allows.
  std::uint64_t longest_text() const;

  /// globals: positions of tokens with global attention (longformer). Errors: usage for an empty text, one that is
  /// longer than the position table, ids outside the vocabulary, globals that are not in the text, come twice, or that
  /// the family does not have; cancelled.
  Result<EncodedText> encode(std::span<const std::int32_t> tokens, std::span<const std::uint64_t> globals = {});

  /// Receives the logits [vocabulary] of row `row`; valid during the call.
  using LogitsFunction = std::function<void(std::size_t row, std::span<const float> logits)>;
  /// What the head would put in place of each row of `states` [rows, hidden]. Only with has_head().
  void fill(std::span<const float> states, const LogitsFunction& logits);

 private:
  struct Scratch;
  Result<std::vector<std::uint64_t>> check(std::span<const std::int32_t> tokens,
                                           std::span<const std::uint64_t> globals) const;
  void embed(std::span<const std::int32_t> tokens);
  void linear(const LinearWeights& weights, const float* input, std::size_t rows, float* output);
  void add_and_norm(const NormWeights& norm, std::size_t rows);
  void gather(const float* rows, const std::vector<std::uint64_t>& tokens, AlignedBuffer<float>& to) const;
  void attend(std::size_t layer, const std::vector<std::uint64_t>& globals);
  void attend_globally(const EncoderLayerWeights& weights, const std::vector<std::uint64_t>& globals);
  void feed_forward(const EncoderLayerWeights& weights);

  EncoderWeights weights_;
  Options options_;
  std::size_t tokens_ = 0;  ///< of the text at hand
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace tome
