#pragma once
// A model's weights as fp32 (frozen matrices: bf16, if wanted) tensors that torch can differentiate, and the low-rank
// changes (LoRA, arXiv 2106.09685) that training makes to them. Matrices are [outputs, inputs]; the rows of query and
// key lie in halves order (the order of Hugging Face files: rotated pairs are dimensions i and i + head_dim / 2),
// whatever the file's own order is. Norms include the offset that some files leave out
// (ModelConfig::norm_weight_offset).
#include <torch/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/result.h"
#include "formats/model_file.h"
#include "training/frozen_matrix.h"

namespace tome {

/// (role, layer or −1), as in ModelFile::tensors.
using WeightKey = std::pair<Role, int>;

/// A change of rank r to a matrix: scale · b · a, with scale = alpha / r. b begins as zeros.
struct LowRankChange {
  torch::Tensor a;  ///< [r, inputs]
  torch::Tensor b;  ///< [outputs, r]
  double scale = 1.0;
};

class TrainingWeights {
 public:
  /// Dequantises everything: 4 bytes a parameter (freeze_matrices: 8, or 4 in bf16). Errors: unsupported for heads that
  /// are rotated in part.
  static Result<TrainingWeights> load(std::shared_ptr<const ModelFile> file);

  const ModelConfig& config() const { return file_->config; }
  const ModelFile& file() const { return *file_; }
  bool has(Role role, int layer = -1) const { return tensors_.count({role, layer}) != 0; }
  const torch::Tensor& at(Role role, int layer = -1) const { return tensors_.at({role, layer}); }
  /// Null where the matrix is used as it is.
  const LowRankChange* change(Role role, int layer) const {
    const auto found = changes_.find({role, layer});
    return found == changes_.end() ? nullptr : &found->second;
  }
  const std::map<WeightKey, LowRankChange>& changes() const { return changes_; }

  const std::map<WeightKey, torch::Tensor>& tensors() const { return tensors_; }
  /// An fp32 tensor as Hugging Face files have it: Gemma's norms without the 1 that is added to them.
  torch::Tensor as_stored_elsewhere(const WeightKey& key) const;

  /// Gives a matrix a change of rank `rank` that training may turn; a is uniform within ±1/√inputs (LoRA's
  /// initialisation: Kaiming's with a = √5), from the seed, role and layer alone.
  void add_change(Role role, int layer, std::uint32_t rank, double alpha, std::uint64_t seed);
  void set_change(Role role, int layer, LowRankChange change) { changes_[{role, layer}] = std::move(change); }
  /// Matrices that training does not turn are multiplied by the engine's kernels from now on, with a transposed copy of
  /// each if gradients are wanted; in bf16 where `rounded`: half the memory, and faster. After add_change and
  /// set_trainable. Without it torch multiplies.
  void freeze_matrices(bool rounded, Gradients gradients = Gradients::through);
  /// Null where torch multiplies.
  const FrozenMatrix* frozen(Role role, int layer) const {
    const auto found = frozen_.find({role, layer});
    return found == frozen_.end() ? nullptr : &found->second;
  }
  /// Lets training turn the tensor itself.
  void set_trainable(Role role, int layer = -1);

  /// Everything that training turns, in a fixed order: changes (a, then b), then tensors.
  std::vector<torch::Tensor> trainable() const;

 private:
  std::shared_ptr<const ModelFile> file_;
  std::map<WeightKey, torch::Tensor> tensors_;
  std::map<WeightKey, LowRankChange> changes_;
  std::map<WeightKey, FrozenMatrix> frozen_;
};

}  // namespace tome
