#pragma once
// Retrieval heads: the few (layer, head) of a model whose attention, from a question's words, points at the passage
// that answers it (evidence.md; arXiv 2404.15574, 2506.09944). Found by `tome calibrate heads` (calibration.h), kept
// beside the model as MODEL.heads.json; the results for the packaged models are compiled in.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/model_file.h"
#include "runtime/engine.h"

namespace tome {

struct EvidenceHeads {
  std::vector<HeadId> heads;          ///< with weights
  std::uint32_t passage_length = 64;  ///< tokens
  std::string method;                 ///< how they were found, in words
  std::string origin;                 ///< "shipped with Tome", or the file's path
};

/// "5.1 × 1.00, 11.2 × 0.40"
std::string describe_heads(const EvidenceHeads& heads);
std::string heads_file_path(const std::string& model_path);
/// The file beside the model when there is one, else the shipped result for this model's shape, else nothing.
/// Errors: format: a heads file that is broken, made for another model, or that names heads the model does not have.
Result<std::optional<EvidenceHeads>> find_evidence_heads(const ModelFile& model);
Result<EvidenceHeads> load_evidence_heads(const std::string& path, const ModelFile& model);
Status save_evidence_heads(const std::string& path, const ModelFile& model, const EvidenceHeads& heads);
/// The compiled-in table alone.
std::optional<EvidenceHeads> shipped_evidence_heads(const ModelConfig& config);

}  // namespace tome
