#pragma once
// A small valid snapshot, and one case for each way in which load_snapshot refuses one. Seeds of snapshot_fuzz too.
#include <unistd.h>

#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"
#include "cache/snapshot.h"

namespace tome::test {

inline constexpr std::uint64_t kSnapshotTokens = 130;

inline SnapshotIdentity snapshot_identity() { return {"model-1", "positions-1", "none"}; }

/// Three layers of one head of two dimensions: one keeps everything, one a window of 64, one that and a sink.
inline SequenceState snapshot_layout() {
  const KvLayout layout = *KvLayout::create(DType::f16, 1, 2);
  return SequenceState({PagedKv(layout, 0), PagedKv(layout, 64), PagedKv(layout, 64, 1)});
}

inline std::string valid_snapshot() {
  SequenceState state = snapshot_layout();
  std::vector<std::int32_t> tokens;
  for (std::size_t layer = 0; layer < 3; ++layer) {
    PagedKv& kv = state.kv(layer);
    kv.reserve(kSnapshotTokens);
    for (std::uint64_t position = 0; position < kSnapshotTokens; ++position) {
      const float key[] = {static_cast<float>(position), static_cast<float>(layer)}, value[] = {-key[0], 0.5f};
      kv.write(position, 0, key, value);
    }
    kv.commit(kSnapshotTokens);
    kv.drop_invisible();
  }
  for (std::uint64_t i = 0; i < kSnapshotTokens; ++i) tokens.push_back(static_cast<std::int32_t>(i * 7 % 100));
  state.set_length(kSnapshotTokens);
  std::string path = "/tmp/tome_snapshot_XXXXXX";
  const int descriptor = ::mkstemp(path.data());
  if (descriptor < 0) throw std::runtime_error("no temporary file");
  ::close(descriptor);
  const Status saved = save_snapshot(path, snapshot_identity(), tokens, state);
  Result<std::string> bytes = read_file(path, 1 << 20);
  ::unlink(path.c_str());
  if (!saved || !bytes) throw std::runtime_error("no snapshot");
  return *bytes;
}

/// The same arrays and pages behind another header.
inline std::string with_header(const std::string& bytes, const std::string& header) {
  std::uint32_t size;
  std::memcpy(&size, bytes.data() + 12, 4);
  const std::size_t arrays = kSnapshotTokens * 4 + 8 * 8;  // 3 + 2 + 3 pages
  std::string result = bytes.substr(0, 12);
  const auto new_size = static_cast<std::uint32_t>(header.size());
  result.append(reinterpret_cast<const char*>(&new_size), 4);
  result += header + bytes.substr(16 + size, arrays);
  result.resize((result.size() + 4095) / 4096 * 4096);
  return result + bytes.substr((16 + size + arrays + 4095) / 4096 * 4096);
}

struct SnapshotCase {
  std::string name, input;
  std::string message;  ///< a part of it; empty: accepted
};

inline std::vector<SnapshotCase> snapshot_cases() {
  const std::string valid = valid_snapshot();
  std::uint32_t size;
  std::memcpy(&size, valid.data() + 12, 4);
  const Json header = Json::parse(valid.substr(16, size));
  const auto edited = [&](const std::function<void(Json&)>& edit) {
    Json other = header;
    edit(other);
    return with_header(valid, other.dump());
  };
  const auto changed = [&](std::size_t at, char to) {
    std::string other = valid;
    other[at] = to;
    return other;
  };
  const std::size_t tokens_at = 16 + size, list_at = tokens_at + kSnapshotTokens * 4;
  return {
      {"valid", valid, ""},
      {"header_in_other_order", with_header(valid, " " + header.dump() + " "), ""},
      {"empty", "", "0 bytes, expected at least 16"},
      {"magic", changed(0, 'X'), "bad magic, expected TOMESNAP"},
      {"version", changed(8, 9), "version 9, expected 4"},
      {"header_longer_than_the_file", valid.substr(0, 40), "header of"},
      {"header_no_json", with_header(valid, "{\"model\":"), "[snapshot]"},
      {"header_no_object", with_header(valid, "[]"), "the header is not an object"},
      {"model_missing", edited([](Json& h) { h.erase("model"); }), "'model' is missing"},
      {"model_a_number", edited([](Json& h) { h["model"] = 1; }), "'model' is missing"},
      {"other_model", edited([](Json& h) { h["model"] = "model-2"; }), "made with model model-2, this is model-1"},
      {"other_positions", edited([](Json& h) { h["position_fingerprint"] = "p"; }), "made with positions p"},
      {"length_missing", edited([](Json& h) { h.erase("length"); }), "'length' is not a count"},
      {"length_negative", edited([](Json& h) { h["length"] = -1; }), "'length' is not a count"},
      {"length_largest", edited([](Json& h) { h["length"] = h["tokens"] = UINT64_MAX; }), "tokens for a length of"},
      {"length_of_another_text", edited([](Json& h) { h["length"] = 129; }), "130 tokens for a length of 129"},
      {"layers_missing", edited([](Json& h) { h.erase("layers"); }), "layers do not match the model's 3"},
      {"layers_one", edited([](Json& h) { h["layers"].erase(1); }), "layers do not match the model's 3"},
      {"layer_no_object", edited([](Json& h) { h["layers"][0] = 5; }), "layer 0 is not an object"},
      {"layer_other_type", edited([](Json& h) { h["layers"][0]["type"] = "bf16"; }), "layer 0: another layout"},
      {"layer_other_window", edited([](Json& h) { h["layers"][1]["window"] = 65; }), "layer 1: another layout"},
      {"layer_other_sinks", edited([](Json& h) { h["layers"][2]["sinks"] = 2; }), "layer 2: another layout"},
      {"layer_sinks_missing", edited([](Json& h) { h["layers"][2].erase("sinks"); }), "'sinks' is not a count"},
      {"sink_told_as_one_of_the_pages", edited([](Json& h) {
         h["layers"][2]["first_page"] = 0;  // then the sink is one of the pages
         h["layers"][2]["pages"] = 3;
       }),
       ""},
      {"layer_heads_missing", edited([](Json& h) { h["layers"][1].erase("kv_heads"); }), "'kv_heads' is not a count"},
      {"pages_too_few", edited([](Json& h) { h["layers"][0]["pages"] = 2; }), "do not cover 130 tokens"},
      {"pages_too_late", edited([](Json& h) { h["layers"][1]["first_page"] = 2; }), "do not cover 130 tokens"},
      {"pages_from_the_largest", edited([](Json& h) {
         h["layers"][1]["first_page"] = UINT64_MAX;
         h["layers"][1]["pages"] = 4;
       }),
       "do not cover 130 tokens"},
      {"cut", valid.substr(0, valid.size() - 64), "bytes, expected"},
      {"longer", valid + "x", "bytes, expected"},
      {"token_changed", changed(tokens_at, 99), "checksum of the tokens differs"},
      {"page_list_changed", changed(list_at, static_cast<char>(valid[list_at] ^ 1)),
       "checksum of the page list differs"},
      {"page_changed", changed(valid.size() - 600, 1), "page 2: checksum differs"},
  };
}

}  // namespace tome::test
