#pragma once
// SHA-256 (OpenSSL), for downloads, fingerprints and snapshots.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace tome {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void update(std::span<const std::byte> bytes);
  void update(const std::string& text) { update(std::as_bytes(std::span(text))); }
  /// 64 lower-case hex digits. Call once.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace tome
