#pragma once
// Builds GGUF bytes by hand, right or wrong on purpose: the parser's own writer refuses to write most of what the tests
// need.
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tome::test {

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}
inline std::string raw_text(std::string_view text) { return raw(std::uint64_t{text.size()}) + std::string(text); }

// Values with their type number in front.
inline std::string u8(std::uint8_t value) { return raw(std::uint32_t{0}) + raw(value); }
inline std::string u32(std::uint32_t value) { return raw(std::uint32_t{4}) + raw(value); }
inline std::string i32(std::int32_t value) { return raw(std::uint32_t{5}) + raw(value); }
inline std::string u64(std::uint64_t value) { return raw(std::uint32_t{10}) + raw(value); }
inline std::string f32(float value) { return raw(std::uint32_t{6}) + raw(value); }
inline std::string boolean(std::uint8_t value) { return raw(std::uint32_t{7}) + raw(value); }
inline std::string text(std::string_view value) { return raw(std::uint32_t{8}) + raw_text(value); }
inline std::string array(std::uint32_t element, std::uint64_t count, const std::string& values) {
  return raw(std::uint32_t{9}) + raw(element) + raw(count) + values;
}
inline std::string texts(const std::vector<std::string>& values) {
  std::string bytes;
  for (const std::string& value : values) bytes += raw_text(value);
  return array(8, values.size(), bytes);
}
template <class T>
std::string numbers(std::uint32_t element, const std::vector<T>& values) {
  std::string bytes;
  for (const T value : values) bytes += raw(value);
  return array(element, values.size(), bytes);
}

struct TinyTensor {
  std::string name;
  std::vector<std::int64_t> dimensions;  // fastest first, as stored
  std::uint32_t type = 0;
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> offset = {};
};

struct TinyGguf {
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::optional<std::int64_t> pair_count = {}, tensor_count = {};
  std::vector<std::pair<std::string, std::string>> pairs = {};  // key, encoded value
  std::vector<TinyTensor> tensors = {};
  std::uint64_t alignment = 32;

  void set(const std::string& key, std::string encoded) {
    for (auto& pair : pairs)
      if (pair.first == key) {
        pair.second = std::move(encoded);
        return;
      }
    pairs.emplace_back(key, std::move(encoded));
  }
  void erase(const std::string& key) {
    std::erase_if(pairs, [&](const auto& pair) { return pair.first == key; });
  }
  TinyTensor& tensor(const std::string& name) {
    for (TinyTensor& candidate : tensors)
      if (candidate.name == name) return candidate;
    tensors.push_back({name, {}});
    return tensors.back();
  }
  void f32_tensor(const std::string& name, std::vector<std::int64_t> dimensions) {
    std::uint64_t bytes = 4;
    for (const std::int64_t extent : dimensions) bytes *= static_cast<std::uint64_t>(extent);
    TinyTensor& entry = tensor(name);
    entry.dimensions = std::move(dimensions);
    entry.bytes = bytes;
  }

  std::string header() const {
    std::string bytes = magic + raw(version) + raw(tensor_count.value_or(static_cast<std::int64_t>(tensors.size()))) +
                        raw(pair_count.value_or(static_cast<std::int64_t>(pairs.size())));
    for (const auto& [key, value] : pairs) bytes += raw_text(key) + value;
    std::uint64_t offset = 0;
    for (const TinyTensor& entry : tensors) {
      bytes += raw_text(entry.name) + raw(static_cast<std::uint32_t>(entry.dimensions.size()));
      for (const std::int64_t extent : entry.dimensions) bytes += raw(extent);
      bytes += raw(entry.type) + raw(entry.offset.value_or(offset));
      offset = (offset + entry.bytes + alignment - 1) / alignment * alignment;
    }
    return bytes;
  }
  std::string bytes() const {
    std::string result = header();
    result.resize((result.size() + alignment - 1) / alignment * alignment);
    for (const TinyTensor& entry : tensors) {
      for (std::uint64_t i = 0; i < entry.bytes; ++i) result += static_cast<char>(i * 7 % 61);
      result.resize((result.size() + alignment - 1) / alignment * alignment);
    }
    return result;
  }
};

/// One layer, 8 wide, 2 heads over 1 key/value head of 4, vocabulary of 6.
inline TinyGguf tiny_model(const std::string& family) {
  TinyGguf file;
  const auto key = [&](const char* name) { return family + "." + name; };
  file.set("general.architecture", text(family));
  file.set("general.name", text("tiny"));
  file.set(key("block_count"), u32(1));
  file.set(key("context_length"), u32(64));
  file.set(key("embedding_length"), u32(8));
  file.set(key("feed_forward_length"), u32(12));
  file.set(key("attention.head_count"), u32(2));
  file.set(key("attention.head_count_kv"), u32(1));
  file.set(key("attention.layer_norm_rms_epsilon"), f32(1e-5f));
  file.set(key("rope.freq_base"), f32(5000.0f));
  file.set("tokenizer.ggml.tokens", texts({"a", "b", "ab", "<s>", "</s>", "<|im_end|>"}));
  file.set("tokenizer.ggml.token_type", numbers<std::int32_t>(5, {1, 1, 1, 3, 3, 3}));
  file.set("tokenizer.ggml.bos_token_id", u32(3));
  file.set("tokenizer.ggml.eos_token_id", u32(4));
  if (family == "gemma3") {
    file.set(key("attention.sliding_window"), u32(4));
    file.set("tokenizer.ggml.model", text("llama"));
    file.set("tokenizer.ggml.scores", numbers<float>(6, {0, -1, -2, 0, 0, 0}));
  } else {
    file.set("tokenizer.ggml.model", text("gpt2"));
    file.set("tokenizer.ggml.pre", text("gpt-2"));
    file.set("tokenizer.ggml.merges", texts({"a b"}));
  }
  file.f32_tensor("token_embd.weight", {8, 6});
  file.f32_tensor("output_norm.weight", {8});
  file.f32_tensor("blk.0.attn_norm.weight", {8});
  file.f32_tensor("blk.0.attn_q.weight", {8, 8});
  file.f32_tensor("blk.0.attn_k.weight", {8, 4});
  file.f32_tensor("blk.0.attn_v.weight", {8, 4});
  file.f32_tensor("blk.0.attn_output.weight", {8, 8});
  file.f32_tensor("blk.0.ffn_norm.weight", {8});
  file.f32_tensor("blk.0.ffn_gate.weight", {8, 12});
  file.f32_tensor("blk.0.ffn_up.weight", {8, 12});
  file.f32_tensor("blk.0.ffn_down.weight", {12, 8});
  if (family == "qwen2") {
    file.f32_tensor("blk.0.attn_q.bias", {8});
    file.f32_tensor("blk.0.attn_k.bias", {4});
    file.f32_tensor("blk.0.attn_v.bias", {4});
  }
  if (family == "qwen3" || family == "gemma3") {
    file.f32_tensor("blk.0.attn_q_norm.weight", {4});
    file.f32_tensor("blk.0.attn_k_norm.weight", {4});
  }
  if (family == "gemma3") {
    file.f32_tensor("blk.0.post_attention_norm.weight", {8});
    file.f32_tensor("blk.0.post_ffw_norm.weight", {8});
  }
  return file;
}

/// An input, and what must be said of it: a part of the message; empty when it must be accepted.
struct ParserCase {
  std::string name;
  std::string input;
  std::string message;
};
inline void PrintTo(const ParserCase& entry, std::ostream* out) { *out << entry.name; }

}  // namespace tome::test
