#pragma once
// Reading a shared beginning once. Prompts come in an order in which neighbours share their first tokens; sessions are
// kept at the places where the next prompt leaves this one, always whole chunks from the start, so that a prompt is cut
// into the same chunks with and without reuse and its logits are the same bits. One owner, one thread.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "runtime/engine.h"

namespace tome {

class PrefixSessions {
 public:
  explicit PrefixSessions(Engine& engine, bool reuse = true) : engine_(engine), reuse_(reuse) {}

  struct Reading {
    std::unique_ptr<Session> session;  ///< has taken the prompt in
    std::uint64_t reused = 0;          ///< tokens that were not read again
  };
  /// Reads `prompt`, with room for `new_tokens` more. next: the prompt after this one, or empty: what they share is
  /// kept.
  Result<Reading> read(std::span<const TokenId> prompt, std::uint64_t new_tokens, std::span<const TokenId> next,
                       const ProgressFunction& progress = {});

 private:
  std::uint64_t whole_chunks_shared(std::span<const TokenId> a, std::span<const TokenId> b) const;
  Engine& engine_;
  bool reuse_;
  std::string plan_;  ///< fingerprint of the positions and attention that kept sessions were read with
  std::vector<std::unique_ptr<Session>> kept_;  ///< shortest first, each a beginning of the one after it
  std::uint64_t room_ = 0;                      ///< tokens that kept sessions were made for
};

}  // namespace tome
