#pragma once
// Every class of GGUF file that must be refused, with a part of the message that it must be refused with.
#include "formats/tiny_gguf.h"

namespace tome::test {

inline std::vector<ParserCase> gguf_cases() {
  std::vector<ParserCase> cases;
  // A tiny model with one thing changed.
  const auto add_for = [&](const std::string& family, std::string name, std::string message,
                           const std::function<void(TinyGguf&)>& change) {
    TinyGguf file = tiny_model(family);
    change(file);
    cases.push_back({std::move(name), file.bytes(), std::move(message)});
  };
  const auto add = [&](std::string name, std::string message, const std::function<void(TinyGguf&)>& change) {
    add_for("llama", std::move(name), std::move(message), change);
  };
  const auto cut = [&](std::string name, std::string message, const std::string& bytes) {
    cases.push_back({std::move(name), bytes, std::move(message)});
  };
  // The header of a file with one pair whose value is cut off.
  const auto with_pairs = [](std::int64_t count, const std::string& pairs) {
    return "GGUF" + raw(std::uint32_t{3}) + raw(std::int64_t{0}) + raw(count) + pairs;
  };
  const std::string filler(40, '\0');

  for (const char* family : {"llama", "qwen2", "qwen3", "gemma3"})
    add_for(family, std::string("valid_") + family, "", [](TinyGguf&) {});
  add("valid_version_2", "", [](TinyGguf& f) { f.version = 2; });

  cut("empty_file", "0 bytes, too short", "");
  add("bad_magic", "magic 'GGML', expected 'GGUF'", [](TinyGguf& f) { f.magic = "GGML"; });
  add("magic_of_control_bytes", "magic '\\x01\\x02\\xff\\x00'",
      [](TinyGguf& f) { f.magic = std::string("\x01\x02\xff\0", 4); });
  cut("cut_in_version", "ends inside the version", "GGUF\x03");
  add("version_0", "version 0, expected 2 or 3", [](TinyGguf& f) { f.version = 0; });
  add("version_1", "version 1, expected 2 or 3", [](TinyGguf& f) { f.version = 1; });
  add("version_4", "version 4, expected 2 or 3", [](TinyGguf& f) { f.version = 4; });
  add("big_endian", "a big-endian file", [](TinyGguf& f) { f.version = 0x03000000; });
  cut("cut_in_counts", "ends inside the counts", "GGUF" + raw(std::uint32_t{3}) + "abc");
  add("tensor_count_negative", "tensor count -5 is negative", [](TinyGguf& f) { f.tensor_count = -5; });
  add("pair_count_negative", "metadata count -1 is negative", [](TinyGguf& f) { f.pair_count = -1; });
  add("pair_count_beyond_the_file", "metadata count 100000000 does not fit",
      [](TinyGguf& f) { f.pair_count = 100000000; });
  add("tensor_count_beyond_the_file", "tensor count 100000000 does not fit",
      [](TinyGguf& f) { f.tensor_count = 100000000; });
  cut("too_many_pairs", "metadata count 4097, expected at most 4096", with_pairs(4097, std::string(4097 * 14, '\0')));

  cut("cut_in_key_length", "ends inside the length of key 1",
      with_pairs(2, raw_text("a") + text("0123456789") + "abcde"));
  cut("key_longer_than_the_file", "key 0: 999 bytes long", with_pairs(1, raw(std::uint64_t{999}) + filler));
  add("key_empty", "key 2 is empty", [](TinyGguf& f) { f.pairs.insert(f.pairs.begin() + 2, {"", u32(1)}); });
  add("key_over_long", "has 65536 bytes, expected at most 65535",
      [](TinyGguf& f) { f.set(std::string(65536, 'k'), u32(1)); });
  add("key_duplicate", "duplicate key 'general.name'",
      [](TinyGguf& f) { f.pairs.emplace_back("general.name", u32(1)); });
  add("value_type_unknown", "value type 13, expected 0 to 12",
      [](TinyGguf& f) { f.set("odd", raw(std::uint32_t{13}) + raw(std::uint64_t{0})); });
  cut("cut_in_value_type", "ends inside the type of key 'abcdefgh'", with_pairs(1, raw_text("abcdefgh") + "\x04"));
  cut("cut_in_value", "ends inside the value of key 'abcd'",
      with_pairs(1, raw_text("abcd") + raw(std::uint32_t{10}) + "abc"));
  add("bool_of_2", "bool 2, expected 0 or 1", [](TinyGguf& f) { f.set("flag", boolean(2)); });
  add("bool_of_3_in_an_array", "bool 3 in an array", [](TinyGguf& f) {
    f.set("flags", numbers<std::uint8_t>(7, {0, 1, 3}));
  });
  cut("string_longer_than_the_file", "the value of key 'abcd': 77777 bytes long",
      with_pairs(1, raw_text("abcd") + raw(std::uint32_t{8}) + raw(std::uint64_t{77777}) + "abc"));
  cut("cut_in_string_length", "ends inside the length of the value of key 'abcd'",
      with_pairs(1, raw_text("abcd") + raw(std::uint32_t{8}) + "abc"));
  cut("cut_in_array_length", "ends inside the array length of key 'abcd'",
      with_pairs(1, raw_text("abcd") + raw(std::uint32_t{9}) + raw(std::uint32_t{4}) + "abc"));
  add("array_longer_than_the_file", "array of 4611686018427387904 values",
      [](TinyGguf& f) { f.set("list", array(4, std::uint64_t{1} << 62, "")); });
  cut("string_of_an_array_past_the_end", "string 1 of the array runs past the end",
      with_pairs(1, raw_text("abcd") + raw(std::uint32_t{9}) + raw(std::uint32_t{8}) + raw(std::uint64_t{2}) +
                        raw_text("x") + raw(std::uint64_t{500})));
  add("array_nested_too_deep", "arrays nested deeper than 4", [](TinyGguf& f) {
    std::string value = raw(std::uint32_t{4}) + raw(std::uint64_t{1}) + raw(std::uint32_t{5});
    for (int depth = 0; depth < 5; ++depth) value = raw(std::uint32_t{9}) + raw(std::uint64_t{1}) + value;
    f.set("deep", raw(std::uint32_t{9}) + value);
  });
  add("valid_nested_array", "", [](TinyGguf& f) {
    f.set("nested", array(9, 2,
                          raw(std::uint32_t{4}) + raw(std::uint64_t{1}) + raw(std::uint32_t{5}) +
                              raw(std::uint32_t{8}) + raw(std::uint64_t{1}) + raw_text("x")));
  });
  add("too_many_nested_arrays", "more than 1024 arrays inside arrays",
      [](TinyGguf& f) { f.set("many", array(9, 1025, std::string(1025 * 12, '\0'))); });

  add("alignment_not_a_power_of_two", "general.alignment 48, expected a power of two",
      [](TinyGguf& f) { f.set("general.alignment", u32(48)); });
  add("alignment_zero", "general.alignment 0, expected a power of two",
      [](TinyGguf& f) { f.set("general.alignment", u32(0)); });
  add("alignment_of_text", "general.alignment: type string, expected u32",
      [](TinyGguf& f) { f.set("general.alignment", text("32")); });
  add("valid_alignment_of_64", "", [](TinyGguf& f) {
    f.set("general.alignment", u32(64));
    f.alignment = 64;
  });

  add("tensor_name_empty", "has an empty name", [](TinyGguf& f) { f.tensors[1].name = ""; });
  add("tensor_name_of_64_bytes", "has 64 bytes, expected at most 63",
      [](TinyGguf& f) { f.tensors[1].name = std::string(64, 't'); });
  cut("tensor_name_longer_than_the_file", "the name of tensor 1: 999 bytes long", [&] {
    TinyGguf file;
    file.f32_tensor("x", {8});
    file.tensor_count = 2;
    return file.header() + raw(std::uint64_t{999}) + filler;
  }());
  cut("cut_in_tensor_name_length", "ends inside the length of the name of tensor 1", [&] {
    TinyGguf file;
    file.f32_tensor(std::string(50, 'x'), {8});
    file.tensor_count = 2;
    return file.header() + "abc";
  }());
  add("tensor_duplicate", "duplicate tensor 'output_norm.weight'",
      [](TinyGguf& f) { f.tensors[2].name = "output_norm.weight"; });
  add("tensor_of_5_dimensions", "5 dimensions, expected at most 4", [](TinyGguf& f) {
    f.tensors[1].dimensions = {8, 1, 1, 1, 1};
  });
  add("tensor_without_dimensions", "no dimensions", [](TinyGguf& f) { f.tensors[1].dimensions = {}; });
  add("dimension_negative", "dimension 1 is negative: -6", [](TinyGguf& f) { f.tensors[0].dimensions = {8, -6}; });
  add("dimension_zero", "dimension 0 is zero", [](TinyGguf& f) { f.tensors[0].dimensions = {0, 6}; });
  {
    const std::string header = tiny_model("llama").header();
    const auto tail = [&](std::size_t bytes) { return header.substr(0, header.size() - bytes); };
    cut("cut_in_tensor_rank", "ends inside the shape of tensor 'blk.0.ffn_down.weight'", tail(4 + 16 + 12 - 2));
    cut("cut_in_tensor_shape", "ends inside the shape of tensor 'blk.0.ffn_down.weight'", tail(12 + 3));
    cut("cut_in_tensor_entry", "ends inside the entry of tensor 'blk.0.ffn_down.weight'", tail(5));
  }
  add("tensor_type_unknown", "unknown type 77", [](TinyGguf& f) { f.tensors[0].type = 77; });
  add("tensor_type_removed", "type 4 was removed from the format", [](TinyGguf& f) { f.tensors[0].type = 4; });
  struct Unread {
    std::uint32_t id;
    const char* name;
  };
  for (const Unread& type : {Unread{16, "iq2_xxs"}, Unread{17, "iq2_xs"}, Unread{18, "iq3_xxs"}, Unread{19, "iq1_s"},
                             Unread{21, "iq3_s"}, Unread{22, "iq2_s"}, Unread{29, "iq1_m"}, Unread{39, "mxfp4"}})
    add(std::string("tensor_type_") + type.name, std::string("type ") + type.name + " is not supported by Tome",
        [&](TinyGguf& f) { f.tensors[0].type = type.id; });
  add("row_not_a_multiple_of_the_block", "rows of 8 values, expected a multiple of q8_0's block of 32",
      [](TinyGguf& f) { f.tensors[0].type = 8; });
  add("size_overflows", "its size overflows 64 bits", [](TinyGguf& f) {
    f.tensors[0].dimensions = {std::int64_t{1} << 40, std::int64_t{1} << 40};
  });
  add("size_overflows_in_bytes", "its size overflows 64 bits", [](TinyGguf& f) {
    f.tensors[0].dimensions = {INT64_MAX, 2};
  });
  add("offset_misaligned", "offset 8 is not a multiple of the alignment 32",
      [](TinyGguf& f) { f.tensors[1].offset = 8; });
  add("offset_plus_size_overflows", "plus 32 bytes overflows 64 bits",
      [](TinyGguf& f) { f.tensors[1].offset = UINT64_MAX - 31; });
  add("data_past_the_end", "the file is cut short", [](TinyGguf& f) { f.tensors[1].offset = 1 << 20; });
  cut("file_cut_short", "the file is cut short", [] {
    const std::string bytes = tiny_model("llama").bytes();
    return bytes.substr(0, bytes.size() - 200);
  }());
  add("tensors_overlap", "overlap at offset 32", [](TinyGguf& f) { f.tensors[1].offset = 32; });

  // Keys.
  add("architecture_missing", "key 'general.architecture' is missing",
      [](TinyGguf& f) { f.erase("general.architecture"); });
  add("architecture_unknown", "architecture 'mamba', expected llama, qwen2, qwen3 or gemma3",
      [](TinyGguf& f) { f.set("general.architecture", text("mamba")); });
  add("architecture_of_number", "key 'general.architecture': u32, expected a string",
      [](TinyGguf& f) { f.set("general.architecture", u32(1)); });
  for (const char* key : {"block_count", "embedding_length", "attention.head_count", "feed_forward_length",
                          "context_length", "attention.layer_norm_rms_epsilon"})
    add(std::string(key) + "_missing", std::string("key 'llama.") + key + "' is missing",
        [&](TinyGguf& f) { f.erase(std::string("llama.") + key); });
  for (const char* key :
       {"block_count", "embedding_length", "attention.head_count", "attention.head_count_kv", "feed_forward_length"})
    add(std::string(key) + "_zero", std::string("key 'llama.") + key + "' is zero",
        [&](TinyGguf& f) { f.set(std::string("llama.") + key, u32(0)); });
  add("block_count_of_text", "key 'llama.block_count': string, expected a whole number",
      [](TinyGguf& f) { f.set("llama.block_count", text("1")); });
  add("block_count_negative", "key 'llama.block_count': -3 is negative",
      [](TinyGguf& f) { f.set("llama.block_count", i32(-3)); });
  add("block_count_of_64_bits", "key 'llama.block_count': 18446744073709551615, expected at most",
      [](TinyGguf& f) { f.set("llama.block_count", u64(UINT64_MAX)); });
  add("block_count_absurd", "5000 layers, expected at most 1024",
      [](TinyGguf& f) { f.set("llama.block_count", u32(5000)); });
  add("epsilon_of_text", "layer_norm_rms_epsilon': string, expected a number",
      [](TinyGguf& f) { f.set("llama.attention.layer_norm_rms_epsilon", text("x")); });
  add("epsilon_infinite", "expected a finite number",
      [](TinyGguf& f) { f.set("llama.attention.layer_norm_rms_epsilon", raw(std::uint32_t{6}) + raw(0x7f800000u)); });
  add("epsilon_negative", "the norm epsilon is -1, expected a positive number",
      [](TinyGguf& f) { f.set("llama.attention.layer_norm_rms_epsilon", f32(-1)); });
  add("heads_not_shared_evenly", "2 heads do not share 3 key/value heads evenly",
      [](TinyGguf& f) { f.set("llama.attention.head_count_kv", u32(3)); });
  add("heads_absurd", "the number of heads is 1000000, expected 1 to", [](TinyGguf& f) {
    f.set("llama.attention.head_count", u32(1000000));
    f.set("llama.attention.key_length", u32(4));
  });
  add("hidden_not_a_multiple_of_heads", "hidden size 8 is not a multiple of 3 heads",
      [](TinyGguf& f) { f.set("llama.attention.head_count", u32(3)); });
  add("head_size_odd", "the head size is 5, expected an even number", [](TinyGguf& f) {
    f.set("llama.attention.key_length", u32(5));
    f.set("llama.rope.dimension_count", u32(5));
  });
  add("head_size_zero", "the head size is 0", [](TinyGguf& f) { f.set("llama.attention.key_length", u32(0)); });
  add("value_size_differs", "values of 6 dimensions beside keys of 4",
      [](TinyGguf& f) { f.set("llama.attention.value_length", u32(6)); });
  add("context_zero", "the context length is 0", [](TinyGguf& f) { f.set("llama.context_length", u32(0)); });
  add("rotation_partial", "2 rotated dimensions of a head of 4",
      [](TinyGguf& f) { f.set("llama.rope.dimension_count", u32(2)); });
  add("rope_base_zero", "the rope base is 0, expected a positive number",
      [](TinyGguf& f) { f.set("llama.rope.freq_base", f32(0)); });
  add("experts", "a mixture of 8 experts", [](TinyGguf& f) { f.set("llama.expert_count", u32(8)); });
  add("per_layer_array_too_long", "an array of 2 values, expected 1, one a layer", [](TinyGguf& f) {
    f.set("llama.attention.head_count_kv", numbers<std::uint32_t>(4, {1, 1}));
  });
  add("per_layer_array_of_text", "array, expected an array of whole numbers",
      [](TinyGguf& f) { f.set("llama.attention.head_count", texts({"2"})); });
  add("per_layer_array_of_floats", "layer 0: expected a whole number",
      [](TinyGguf& f) { f.set("llama.attention.head_count", numbers<float>(6, {2})); });
  add("per_layer_array_with_a_zero", "layer 0 is zero",
      [](TinyGguf& f) { f.set("llama.attention.head_count", numbers<std::uint32_t>(4, {0})); });
  add("valid_per_layer_array", "",
      [](TinyGguf& f) { f.set("llama.attention.head_count", numbers<std::uint32_t>(4, {2})); });
  add("layers_with_different_counts", "layers with different counts (2 and 1)", [](TinyGguf& f) {
    f.set("llama.block_count", u32(2));
    f.set("llama.attention.head_count", numbers<std::uint32_t>(4, {2, 1}));
  });

  // Positions.
  add("scaling_type_unknown", "rope.scaling.type 'magic', expected none, linear, yarn or longrope",
      [](TinyGguf& f) { f.set("llama.rope.scaling.type", text("magic")); });
  add("scaling_factor_negative", "rope scaling factor is -2", [](TinyGguf& f) {
    f.set("llama.rope.scaling.type", text("linear"));
    f.set("llama.rope.scaling.factor", f32(-2));
  });
  add("valid_yarn", "", [](TinyGguf& f) {
    f.set("llama.rope.scaling.type", text("yarn"));
    f.set("llama.rope.scaling.factor", f32(4));
    f.set("llama.rope.scaling.original_context_length", u32(16));
    f.set("llama.rope.scaling.yarn_beta_fast", f32(16));
    f.set("llama.rope.scaling.attn_factor", f32(0.9f));
  });
  add("original_context_zero", "original context length is 0",
      [](TinyGguf& f) { f.set("llama.rope.scaling.original_context_length", u32(0)); });
  add("yarn_beta_zero", "rope beta_fast is 0", [](TinyGguf& f) { f.set("llama.rope.scaling.yarn_beta_fast", f32(0)); });
  add("yarn_partial_ramp", "yarn_ext_factor 0.5, expected 1",
      [](TinyGguf& f) { f.set("llama.rope.scaling.yarn_ext_factor", f32(0.5f)); });
  add("yarn_log_multiplier", "yarn_log_multiplier 0.25, expected 0",
      [](TinyGguf& f) { f.set("llama.rope.scaling.yarn_log_multiplier", f32(0.25f)); });
  add("yarn_attention_factor_negative", "rope attention factor is -1",
      [](TinyGguf& f) { f.set("llama.rope.scaling.attn_factor", f32(-1)); });
  add("longrope_without_lists", "longrope without its two lists",
      [](TinyGguf& f) { f.set("llama.rope.scaling.type", text("longrope")); });
  add("rope_factors_too_many", "the list of rope frequency factors has 3 factors, expected 2",
      [](TinyGguf& f) { f.f32_tensor("rope_freqs.weight", {3}); });
  add("rope_factors_of_another_type", "tensor 'rope_freqs.weight': type f16, expected f32", [](TinyGguf& f) {
    f.f32_tensor("rope_freqs.weight", {2});
    f.tensor("rope_freqs.weight").type = 1;
  });
  add_for("gemma3", "window_missing", "key 'gemma3.attention.sliding_window' is missing or zero",
          [](TinyGguf& f) { f.erase("gemma3.attention.sliding_window"); });
  add_for("gemma3", "window_pattern_too_long", "an array of 2 values, expected 1, one a layer", [](TinyGguf& f) {
    f.set("gemma3.attention.sliding_window_pattern", numbers<std::uint8_t>(7, {1, 0}));
  });
  add_for("gemma3", "window_pattern_of_numbers", "an array of u32, expected bool",
          [](TinyGguf& f) { f.set("gemma3.attention.sliding_window_pattern", numbers<std::uint32_t>(4, {1})); });
  add("window_pattern_without_window", "layers with a sliding window, but its size is missing or zero",
      [](TinyGguf& f) { f.set("llama.attention.sliding_window_pattern", numbers<std::uint8_t>(7, {1})); });
  add("attention_scale_negative", "the attention scale is -1",
      [](TinyGguf& f) { f.set("llama.attention.scale", f32(-1)); });
  add("logit_cap_negative", "the final logit cap is -1",
      [](TinyGguf& f) { f.set("llama.final_logit_softcapping", f32(-1)); });
  add("attention_cap", "attn_logit_softcapping 50, expected none",
      [](TinyGguf& f) { f.set("llama.attn_logit_softcapping", f32(50)); });

  // Tokenizer.
  add("tokenizer_model_missing", "key 'tokenizer.ggml.model' is missing",
      [](TinyGguf& f) { f.erase("tokenizer.ggml.model"); });
  add("tokenizer_model_unknown", "tokenizer.ggml.model 'rwkv', expected gpt2 or llama",
      [](TinyGguf& f) { f.set("tokenizer.ggml.model", text("rwkv")); });
  add("pre_tokenizer_missing", "key 'tokenizer.ggml.pre' is missing",
      [](TinyGguf& f) { f.erase("tokenizer.ggml.pre"); });
  add("pre_tokenizer_unknown", "tokenizer.ggml.pre 'tekken', expected gpt-2",
      [](TinyGguf& f) { f.set("tokenizer.ggml.pre", text("tekken")); });
  add("tokens_missing", "key 'tokenizer.ggml.tokens' is missing",
      [](TinyGguf& f) { f.erase("tokenizer.ggml.tokens"); });
  add("tokens_of_numbers", "an array of u32, expected string", [](TinyGguf& f) {
    f.set("tokenizer.ggml.tokens", numbers<std::uint32_t>(4, {1, 2}));
  });
  add("tokens_not_an_array", "key 'tokenizer.ggml.tokens': string, expected an array",
      [](TinyGguf& f) { f.set("tokenizer.ggml.tokens", text("x")); });
  add("tokens_none", "the tokenizer has no tokens", [](TinyGguf& f) {
    f.set("tokenizer.ggml.tokens", texts({}));
    f.erase("tokenizer.ggml.token_type");
    f.erase("tokenizer.ggml.bos_token_id");
    f.erase("tokenizer.ggml.eos_token_id");
  });
  add("scores_of_another_length", "2 token scores, expected 6", [](TinyGguf& f) {
    f.set("tokenizer.ggml.scores", numbers<float>(6, {1, 2}));
  });
  add("types_of_another_length", "2 token types, expected 6", [](TinyGguf& f) {
    f.set("tokenizer.ggml.token_type", numbers<std::int32_t>(5, {1, 1}));
  });
  add("token_type_unknown", "token 1 has type 9, expected 1 to 6", [](TinyGguf& f) {
    f.set("tokenizer.ggml.token_type", numbers<std::int32_t>(5, {1, 9, 1, 1, 1, 1}));
  });
  add("token_id_beyond_the_vocabulary", "bos token id 6, the vocabulary has 6",
      [](TinyGguf& f) { f.set("tokenizer.ggml.bos_token_id", u32(6)); });
  add("end_token_beyond_the_vocabulary", "end token id 70, the vocabulary has 6",
      [](TinyGguf& f) { f.set("tokenizer.ggml.eot_token_id", u32(70)); });
  add("bos_added_but_not_named", "a bos token is to be added, but none is named", [](TinyGguf& f) {
    f.set("tokenizer.ggml.add_bos_token", boolean(1));
    f.erase("tokenizer.ggml.bos_token_id");
  });
  add("eos_added_but_not_named", "an eos token is to be added, but none is named", [](TinyGguf& f) {
    f.set("tokenizer.ggml.add_eos_token", boolean(1));
    f.erase("tokenizer.ggml.eos_token_id");
  });
  add("add_bos_of_number", "key 'tokenizer.ggml.add_bos_token': u32, expected a bool",
      [](TinyGguf& f) { f.set("tokenizer.ggml.add_bos_token", u32(1)); });
  add("merges_missing", "key 'tokenizer.ggml.merges' is missing",
      [](TinyGguf& f) { f.erase("tokenizer.ggml.merges"); });
  add("merge_without_space", "merge 1 'ab', expected two pieces", [](TinyGguf& f) {
    f.set("tokenizer.ggml.merges", texts({"a b", "ab"}));
  });
  add_for("gemma3", "scores_missing", "key 'tokenizer.ggml.scores' is missing",
          [](TinyGguf& f) { f.erase("tokenizer.ggml.scores"); });

  // Shapes against the hyper-parameters.
  add("tensor_missing", "tensor 'blk.0.ffn_up.weight' is missing", [](TinyGguf& f) {
    std::erase_if(f.tensors, [](const TinyTensor& t) { return t.name == "blk.0.ffn_up.weight"; });
  });
  add("shape_contradicts_the_hyper_parameters", "tensor 'blk.0.attn_k.weight': shape [8, 8], expected [4, 8]",
      [](TinyGguf& f) {
        f.f32_tensor("blk.0.attn_k.weight", {8, 8});
      });
  add("shape_of_the_embedding", "tensor 'token_embd.weight': shape [7, 8], expected [6, 8]", [](TinyGguf& f) {
    f.f32_tensor("token_embd.weight", {8, 7});
  });
  add("norm_of_a_block_type", "type q8_0, expected f32, f16 or bf16", [](TinyGguf& f) {
    f.set("llama.embedding_length", u32(32));
    f.tensors.clear();
    f.f32_tensor("token_embd.weight", {32, 6});
    f.f32_tensor("output_norm.weight", {32});
    f.tensor("output_norm.weight").type = 8;
    f.set("llama.attention.key_length", u32(4));
  });
  add("weight_of_integers", "type i32, expected a float or block-quantised type",
      [](TinyGguf& f) { f.tensor("blk.0.ffn_up.weight").type = 26; });
  add("tensor_left_over", "tensor 'blk.0.ffn_gate_inp.weight' is not part of the llama family", [](TinyGguf& f) {
    f.f32_tensor("blk.0.ffn_gate_inp.weight", {8, 4});
  });
  add("layer_too_many", "tensor 'blk.1.attn_norm.weight' is missing",
      [](TinyGguf& f) { f.set("llama.block_count", u32(2)); });
  return cases;
}

}  // namespace tome::test
