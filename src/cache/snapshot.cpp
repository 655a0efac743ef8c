#include "cache/snapshot.h"

#define XXH_INLINE_ALL
#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "base/checked.h"
#include "base/json.h"
#include "base/mapped_file.h"

namespace tome {
namespace {

constexpr char kMagic[8] = {'T', 'O', 'M', 'E', 'S', 'N', 'A', 'P'};
constexpr std::uint32_t kVersion = 4;  ///< 2: pages of f16 and q8_0 lie as panels; 3: sinks; 4: q8_0 keys centred
constexpr std::uint64_t kAlignment = 4096;

std::uint64_t padded(std::uint64_t size, std::uint64_t to) { return (size + to - 1) / to * to; }
std::string hex(std::uint64_t value) { return fmt::format("{:016x}", value); }

/// A file that disappears unless it is finished: written beside, then renamed.
class FileBeside {
 public:
  explicit FileBeside(const std::string& path) : path_(path), beside_(path + ".part" + std::to_string(::getpid())) {
    file_ = std::fopen(beside_.c_str(), "wb");
    if (file_ == nullptr) reason_ = errno;
  }
  ~FileBeside() {
    if (file_ != nullptr) std::fclose(file_);
    if (!done_) ::unlink(beside_.c_str());
  }
  void write(const void* bytes, std::size_t size) {
    if (reason_ == 0 && std::fwrite(bytes, 1, size, file_) != size) reason_ = errno;
  }
  Status finish() {
    if (reason_ == 0 && (std::fflush(file_) != 0 || ::fsync(::fileno(file_)) != 0)) reason_ = errno;
    if (reason_ == 0 && ::rename(beside_.c_str(), path_.c_str()) != 0) reason_ = errno;
    if (reason_ != 0) return fail(ErrorKind::io, "{}: cannot write the snapshot: {}", path_, std::strerror(reason_));
    done_ = true;
    return {};
  }

 private:
  std::string path_, beside_;
  std::FILE* file_ = nullptr;
  int reason_ = 0;
  bool done_ = false;
};

struct Parsed {
  std::shared_ptr<const MappedFile> file;
  Json header;
  std::uint64_t arrays_at = 0;
  SnapshotIdentity identity;
};

tl::unexpected<Error> broken(const std::string& path, const std::string& what) {
  return fail(ErrorKind::format, "[snapshot] {}: {}", path, what);
}

Result<std::uint64_t> count_of(const Json& object, const char* key, const std::string& path) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned())
    return broken(path, fmt::format("'{}' is not a count", key));
  return found->get<std::uint64_t>();
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Result<Parsed> parse_header(const std::string& path) {
  TOME_ASSIGN(auto file, MappedFile::open(path));
  const auto bytes = file->bytes();
  if (bytes.size() < 16) return broken(path, fmt::format("{} bytes, expected at least 16", bytes.size()));
  if (std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) return broken(path, "bad magic, expected TOMESNAP");
  std::uint32_t numbers[2];
  std::memcpy(numbers, bytes.data() + 8, 8);
  if (numbers[0] != kVersion) return broken(path, fmt::format("version {}, expected {}", numbers[0], kVersion));
  if (numbers[1] > bytes.size() - 16)
    return broken(path, fmt::format("header of {} bytes in a file of {}", numbers[1], bytes.size()));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 16, numbers[1]);
  TOME_ASSIGN(auto header, parse_json(text, "[snapshot] " + path));
  if (!header.is_object()) return broken(path, "the header is not an object");
  Parsed parsed{std::move(file), std::move(header), 16u + numbers[1], {}};
  for (const auto& [key, to] : {std::pair{"model", &parsed.identity.model_fingerprint},
                                {"position_fingerprint", &parsed.identity.position_fingerprint},
                                {"positions", &parsed.identity.positions}}) {
    const auto found = parsed.header.find(key);
    if (found == parsed.header.end() || !found->is_string()) return broken(path, fmt::format("'{}' is missing", key));
    *to = found->get<std::string>();
  }
  return parsed;
}

}  // namespace

Status save_snapshot(const std::string& path, const SnapshotIdentity& identity, const std::vector<std::int32_t>& tokens,
                     const SequenceState& state) {
  Json layers = Json::array();
  std::vector<std::uint64_t> checksums;
  for (std::size_t layer = 0; layer < state.layer_count(); ++layer) {
    const PagedKv& kv = state.kv(layer);
    const std::uint64_t first = kv.first_kept() / kPageKeys;
    layers.push_back({{"type", dtype_name(kv.layout().type)},
                      {"kv_heads", kv.layout().kv_heads},
                      {"head_dim", kv.layout().head_dim},
                      {"window", kv.window()},
                      {"sinks", kv.sinks()},
                      {"keys_only", kv.layout().parts == KvParts::keys},
                      {"first_page", first},
                      {"pages", kv.page_count() - kv.sink_pages_before(first)}});
    if (!kv.channel_scales().empty()) layers.back()["channel_scales"] = kv.channel_scales();
    if (!kv.key_centre().empty()) layers.back()["key_centre"] = kv.key_centre();
    for (const std::uint64_t page : kv.kept_pages())
      checksums.push_back(XXH3_64bits(kv.page(page), kv.layout().page_bytes()));
  }
  const Json header = {{"model", identity.model_fingerprint},
                       {"position_fingerprint", identity.position_fingerprint},
                       {"positions", identity.positions},
                       {"length", state.length()},
                       {"tokens", tokens.size()},
                       {"tokens_checksum", hex(XXH3_64bits(tokens.data(), tokens.size() * 4))},
                       {"pages_checksum", hex(XXH3_64bits(checksums.data(), checksums.size() * 8))},
                       {"layers", layers}};
  const std::string text = header.dump();
  const std::uint32_t numbers[2] = {kVersion, static_cast<std::uint32_t>(text.size())};
  FileBeside file(path);
  file.write(kMagic, sizeof kMagic);
  file.write(numbers, sizeof numbers);
  file.write(text.data(), text.size());
  file.write(tokens.data(), tokens.size() * 4);
  file.write(checksums.data(), checksums.size() * 8);
  const std::uint64_t at = 16 + text.size() + tokens.size() * 4 + checksums.size() * 8;
  const std::string zeros(kAlignment, '\0');
  file.write(zeros.data(), padded(at, kAlignment) - at);
  for (std::size_t layer = 0; layer < state.layer_count(); ++layer) {
    const PagedKv& kv = state.kv(layer);
    const std::uint64_t size = kv.layout().page_bytes();
    for (const std::uint64_t page : kv.kept_pages()) {
      file.write(kv.page(page), size);
      file.write(zeros.data(), padded(size, 64) - size);
    }
  }
  return file.finish();
}

Result<SnapshotIdentity> read_snapshot_identity(const std::string& path) {
  TOME_ASSIGN(const Parsed parsed, parse_header(path));
  return parsed.identity;
}

Result<Snapshot> load_snapshot(const std::string& path, const SnapshotIdentity& expected, SequenceState empty) {
  TOME_ASSIGN(const Parsed parsed, parse_header(path));
  if (parsed.identity.model_fingerprint != expected.model_fingerprint)
    return broken(path, fmt::format("made with model {}, this is {}", parsed.identity.model_fingerprint,
                                    expected.model_fingerprint));
  if (parsed.identity.position_fingerprint != expected.position_fingerprint)
    return broken(path, fmt::format("made with positions {}, expected {}", parsed.identity.position_fingerprint,
                                    expected.position_fingerprint));
  const auto bytes = parsed.file->bytes();
  TOME_ASSIGN(const std::uint64_t length, count_of(parsed.header, "length", path));
  TOME_ASSIGN(const std::uint64_t token_count, count_of(parsed.header, "tokens", path));
  const auto layers = parsed.header.find("layers");
  if (layers == parsed.header.end() || !layers->is_array() || layers->size() != empty.layer_count())
    return broken(path, fmt::format("layers do not match the model's {}", empty.layer_count()));
  if (token_count != length || token_count > bytes.size() / 4)
    return broken(path, fmt::format("{} tokens for a length of {}", token_count, length));

  struct Fitted {
    std::vector<float> scales, centre;
  };
  std::vector<Fitted> fitted(empty.layer_count());
  std::uint64_t pages = 0, page_bytes = 0;
  for (std::size_t layer = 0; layer < empty.layer_count(); ++layer) {
    const Json& entry = (*layers)[layer];
    const PagedKv& kv = empty.kv(layer);
    if (!entry.is_object()) return broken(path, fmt::format("layer {} is not an object", layer));
    TOME_ASSIGN(const std::uint64_t heads, count_of(entry, "kv_heads", path));
    TOME_ASSIGN(const std::uint64_t dims, count_of(entry, "head_dim", path));
    TOME_ASSIGN(const std::uint64_t window, count_of(entry, "window", path));
    TOME_ASSIGN(const std::uint64_t sinks, count_of(entry, "sinks", path));
    TOME_ASSIGN(const std::uint64_t first, count_of(entry, "first_page", path));
    TOME_ASSIGN(const std::uint64_t count, count_of(entry, "pages", path));
    const auto type = entry.find("type"), keys_only = entry.find("keys_only");
    const bool has_keys_only = keys_only != entry.end() && keys_only->is_boolean() && keys_only->get<bool>();
    if (heads != kv.layout().kv_heads || dims != kv.layout().head_dim || window != kv.window() || sinks != kv.sinks() ||
        type == entry.end() || has_keys_only != (kv.layout().parts == KvParts::keys) || !type->is_string() ||
        type->get<std::string>() != dtype_name(kv.layout().type))
      return broken(path, fmt::format("layer {}: another layout than {} × {} × {} {} window {} sinks {}", layer,
                                      kPageKeys, kv.layout().kv_heads, kv.layout().head_dim,
                                      dtype_name(kv.layout().type), kv.window(), kv.sinks()));
    const std::uint64_t end = (length + kPageKeys - 1) / kPageKeys;
    const std::uint64_t latest_first = window == 0 || length < window ? 0 : (length - window + 1) / kPageKeys;
    if (first > latest_first || count != end - first)
      return broken(path,
                    fmt::format("layer {}: pages {} … {} do not cover {} tokens", layer, first, first + count, length));
    const bool centred = kv.layout().type == DType::q8_0 && entry.contains("key_centre"),
               turned = kv.layout().type == DType::q4_0 && length > 0;
    const auto numbers = [&](const char* name, const auto& allowed) {
      const auto found = entry.find(name);
      return found != entry.end() && found->is_array() &&
             found->size() == kv.layout().kv_heads * std::size_t{kv.layout().head_dim} &&
             std::all_of(found->begin(), found->end(),
                         [&](const Json& value) { return value.is_number() && allowed(value.get<float>()); });
    };
    const std::uint64_t wanted = std::uint64_t{kv.layout().kv_heads} * kv.layout().head_dim;
    if ((centred || turned) &&
        !numbers("channel_scales", [](float value) { return value > 0.0f && std::isfinite(value); }))
      return broken(path, fmt::format("layer {}: 'channel_scales' are not {} positive numbers", layer, wanted));
    if (centred && !numbers("key_centre", [](float value) { return std::isfinite(value); }))
      return broken(path, fmt::format("layer {}: 'key_centre' is not {} numbers", layer, wanted));
    if (centred || turned) fitted[layer].scales = entry["channel_scales"].get<std::vector<float>>();
    if (centred) fitted[layer].centre = entry["key_centre"].get<std::vector<float>>();
    const std::uint64_t held = kv.sink_pages_before(first) + count;  // ≤ length / 64 + 1 ≤ file size: no overflow
    pages += held;
    page_bytes += held * padded(kv.layout().page_bytes(), 64);
  }
  const std::uint64_t checksums_at = parsed.arrays_at + token_count * 4;
  const std::uint64_t pages_at = padded(checksums_at + pages * 8, kAlignment);
  if (pages_at + page_bytes != bytes.size())
    return broken(path, fmt::format("{} bytes, expected {}", bytes.size(), pages_at + page_bytes));

  Snapshot snapshot{parsed.identity, std::vector<std::int32_t>(token_count), std::move(empty)};
  std::memcpy(snapshot.tokens.data(), bytes.data() + parsed.arrays_at, token_count * 4);
  std::vector<std::uint64_t> checksums(pages);
  std::memcpy(checksums.data(), bytes.data() + checksums_at, pages * 8);
  if (text_of(parsed.header, "tokens_checksum") != hex(XXH3_64bits(snapshot.tokens.data(), token_count * 4)))
    return broken(path, "checksum of the tokens differs");
  if (text_of(parsed.header, "pages_checksum") != hex(XXH3_64bits(checksums.data(), pages * 8)))
    return broken(path, "checksum of the page list differs");
  std::uint64_t at = pages_at, number = 0;
  for (std::size_t layer = 0; layer < snapshot.state.layer_count(); ++layer) {
    PagedKv& kv = snapshot.state.kv(layer);
    kv.adopt_channels(std::move(fitted[layer].scales), std::move(fitted[layer].centre));
    const std::uint64_t first = (*layers)[layer]["first_page"].get<std::uint64_t>();
    const std::uint64_t count = (*layers)[layer]["pages"].get<std::uint64_t>(), sinks = kv.sink_pages_before(first);
    kv.adopt_from(first);
    for (std::uint64_t held = 0; held < sinks + count; ++held, ++number) {
      const std::uint64_t page = held < sinks ? held : first + held - sinks;
      if (XXH3_64bits(bytes.data() + at, kv.layout().page_bytes()) != checksums[number])
        return broken(path, fmt::format("layer {}, page {}: checksum differs", layer, page));
      kv.adopt_page(page, bytes.data() + at, parsed.file);
      at += padded(kv.layout().page_bytes(), 64);
    }
    kv.commit(length);
  }
  snapshot.state.set_length(length);
  return snapshot;
}

}  // namespace tome
