#pragma once
// A low-rank adapter (LoRA, arXiv 2106.09685) as the PEFT library lays it down: adapter_config.json and
// adapter_model.safetensors; beside them tome_adapter.json, which says which model it belongs to and which positions it
// was trained with. Foreign names are spelled here and in hf_config.h. Views point into `storage`.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "formats/model_file.h"
#include "tensor/tensor_view.h"

namespace tome {

struct LoraAdapter {
  /// The weight becomes W + scale · b · a. Rows of b for query and key lie in halves order, as in Hugging Face files.
  struct Change {
    TensorView a;  ///< [rank, inputs]
    TensorView b;  ///< [outputs, rank]
    double scale = 1.0;
  };
  using Key = std::pair<Role, int>;

  std::string path;
  std::map<Key, Change> changes;
  /// Trained whole (norms, embeddings), in place of the model's own; norms as Hugging Face stores them (Gemma: − 1).
  std::map<Key, TensorView> replaced;

  std::string base_model;            ///< name or path, for messages
  std::string base_fingerprint;      ///< ModelFile::fingerprint of the model; empty: the adapter was made elsewhere
  std::string position_fingerprint;  ///< PositionPlan::fingerprint of the full layers; empty as above
  std::string scaling_method;        ///< as --rope-scaling spells it; empty: the model's own positions
  double scaling_factor = 1.0;
  std::vector<float> divisors;      ///< of longrope
  std::uint64_t target_length = 0;  ///< tokens that it was trained to read; 0: not told

  std::vector<std::shared_ptr<const void>> storage;
};

/// The three files of a folder. `tensors` must outlive what is made of it.
struct LoraAdapterBytes {
  std::string config;
  std::optional<std::string> own;  ///< none: an adapter made elsewhere
  std::span<const std::byte> tensors;
};

/// Errors: as open_lora_adapter, without io. folder: for messages.
Result<LoraAdapter> parse_lora_adapter(const LoraAdapterBytes& bytes, const std::string& folder,
                                       const ModelConfig& base);

/// Errors: io; format, unsupported (another kind of adapter, a tensor that the model does not have, DoRA, biases,
/// rank patterns), each naming file, field, found and expected.
Result<LoraAdapter> open_lora_adapter(const std::string& folder, const ModelConfig& base);

/// What is written beside tensors.
struct LoraAdapterToWrite {
  const LoraAdapter* adapter;  ///< its views, base and positions; rank and scale must be the same in all changes
  std::uint32_t rank = 0;
  double alpha = 0.0;
};
/// Makes the folder where it is missing. Errors: io, usage.
Status write_lora_adapter(const std::string& folder, const LoraAdapterToWrite& what, Family family);

}  // namespace tome
