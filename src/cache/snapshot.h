#pragma once
// A sequence's state on disk: versioned, checksummed, memory-mapped when loaded (pages stay in the file until written
// to). Refused when the model, the positions or the layout differ from what it was made with.
//   "TOMESNAP" | u32 version | u32 header bytes | header JSON | tokens i32[] | page checksums u64[] | padding to 4096 |
//   pages, layer by layer, each padded to 64 bytes. Checksums are XXH3-64; the header holds those of the two arrays.
#include <memory>
#include <string>
#include <vector>

#include "cache/layer_state.h"

namespace tome {

struct SnapshotIdentity {
  std::string model_fingerprint;
  std::string position_fingerprint;
  std::string positions;  ///< JSON of the options that made the plan, kept so that a later question reuses it
};

struct Snapshot {
  SnapshotIdentity identity;
  std::vector<std::int32_t> tokens;
  SequenceState state;
};

/// Written beside, synced, renamed. Errors: io.
Status save_snapshot(const std::string& path, const SnapshotIdentity& identity, const std::vector<std::int32_t>& tokens,
                     const SequenceState& state);
/// Reads identity and token count only. Errors: io, format.
Result<SnapshotIdentity> read_snapshot_identity(const std::string& path);
/// `empty`: a fresh state of the right layout. Errors: io; format (magic, version, checksum, layout, sizes), naming
/// field, found and expected; fingerprints are refused likewise.
Result<Snapshot> load_snapshot(const std::string& path, const SnapshotIdentity& expected, SequenceState empty);

}  // namespace tome
