#pragma once
// The meaning of GGUF keys and tensor names. Pure functions, any thread; views in the results point into the bytes that
// the GgufFiles were parsed from.
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/gguf.h"
#include "formats/model_file.h"

namespace tome {

/// A model from the parts of one (possibly split) file, in order; metadata comes from the first. Fills everything but
/// path, file_bytes and mapped. Errors: format, unsupported.
Result<ModelFile> model_from_gguf(const std::vector<GgufFile>& parts);

/// The tokenizer.* keys. Errors: format; unsupported for a tokenizer model or pre-tokenizer that Tome does not know.
Result<TokenizerSpec> tokenizer_from_gguf(const GgufFile& file);

/// GGUF's name of a tensor: "blk.3.attn_q.weight".
std::string gguf_tensor_name(Role role, int layer);

/// Reads typed keys of one file; the messages name file, key, what was found and what was expected.
class GgufKeys {
 public:
  explicit GgufKeys(const GgufFile& file) : file_(file) {}
  bool has(const std::string& key) const { return file_.find(key) != nullptr; }
  /// nullopt when the key is absent.
  Result<std::optional<std::uint64_t>> unsigned_number(const std::string& key, std::uint64_t most = UINT32_MAX) const;
  Result<std::optional<double>> number(const std::string& key) const;
  Result<std::optional<bool>> boolean(const std::string& key) const;
  Result<std::optional<std::string>> text(const std::string& key) const;
  /// Errors when the key is absent.
  Result<std::uint32_t> required_count(const std::string& key) const;
  /// A count that may be given once or as an array, one a layer; layers that differ are unsupported.
  Result<std::optional<std::uint32_t>> per_layer_count(const std::string& key, std::uint32_t layers) const;
  /// The array under `key`; nullptr when absent. Errors when the key holds something else.
  Result<const GgufValue*> array(const std::string& key) const;

 private:
  tl::unexpected<Error> wrong_type(const std::string& key, std::string_view expected) const;
  const GgufFile& file_;
};

}  // namespace tome
