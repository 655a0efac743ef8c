#pragma once
// Which tensors a decoder of each family has, and of what shape: the one list that both file formats are checked
// against. Pure functions, any thread.
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/model_file.h"

namespace tome {

struct TensorNeed {
  Role role;
  int layer;  ///< −1: not of a layer
  std::vector<std::uint64_t> shape;
  bool required;
};

/// Everything that a model with this (checked) configuration has or may have.
std::vector<TensorNeed> tensor_layout(const ModelConfig& config);

/// A tensor as a file calls it.
struct NamedTensor {
  std::string name;
  TensorView view;
};

/// `view` has this shape and a type that weights of it (vectors, matrices) may have. Errors: format, unsupported.
Status check_tensor(const TensorView& view, const std::vector<std::uint64_t>& shape, std::string_view name,
                    std::string_view where);

/// Fills model.tensors from `found`. name_of spells a role; may_ignore tells which names carry nothing that the forward
/// pass uses (`where` opens every message). Errors: format for a missing tensor or a wrong shape; unsupported for a
/// type that weights of that role cannot have and for tensors left over, whose effect Tome would silently drop.
Status attach_tensors(ModelFile& model, const std::vector<NamedTensor>& found, std::string_view where,
                      const std::function<std::string(Role, int)>& name_of,
                      const std::function<bool(std::string_view)>& may_ignore);

}  // namespace tome
