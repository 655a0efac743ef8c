#pragma once
// Downloads from a model hub that speaks Hugging Face's protocol: api/models/OWNER/REPO lists the files,
// OWNER/REPO/resolve/REVISION/FILE gives one, with its size and (for large files) sha256 in X-Linked-Size and
// X-Linked-Etag; for data sets api/datasets/… and datasets/OWNER/REPO/…. HF_ENDPOINT is the hub's address, HF_TOKEN a
// token for gated repositories. A part that is left by a cut connection or Ctrl-C is named after the file's version and
// continued by Range.
#include <string>
#include <vector>

#include "hub/hub.h"
#include "hub/model_reference.h"

namespace tome {

struct HubSettings {
  std::string endpoint;  ///< "https://hub.example"
  std::string token;
  int attempts = 5;            ///< in a row without a new byte
  double retry_seconds = 1.0;  ///< doubled each time
  double stall_seconds = 60.0;
};

/// From HF_ENDPOINT and HF_TOKEN. Errors: usage when HF_ENDPOINT is not set or no http(s) address.
Result<HubSettings> hub_settings();
/// A repository's files and licence.
struct RepositoryListing {
  std::vector<std::string> names;  ///< each fit to be a path
  std::string licence;
};
/// Errors: network, format, cancelled.
Result<RepositoryListing> list_repository(const ModelReference& reference, const HubSettings& settings);
/// Fetches what of `files` is not in `directory` yet; whether all of it was. Errors: network, io, cancelled.
Result<bool> fetch_files(const ModelReference& reference, const HubSettings& settings,
                         const std::vector<std::string>& files, const std::string& directory,
                         const ProgressFunction& progress);
/// A model. Errors: network (status with a hint: 401/403 token, 404 name; sha256; size), io, usage, cancelled.
Result<PulledModel> pull_from_hub(const ModelReference& reference, const HubSettings& settings,
                                  const std::string& cache_directory, const ProgressFunction& progress);

}  // namespace tome
