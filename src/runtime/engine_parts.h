#pragma once
// What Engine and Session hold: private to runtime/engine.cpp and runtime/session.cpp.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/decoder.h"
#include "runtime/engine.h"
#include "tokenizer/sentence_starts.h"

namespace tome {

struct PositionPlans {
  PositionPlan full, local;
  std::vector<std::shared_ptr<const AttentionPattern>> patterns;  ///< [layers]; nullptr: all keys
  std::string fingerprint;                                        ///< of all of it
};

struct Engine::Parts {
  std::vector<HeadId> retrieval_heads;  ///< for --attention duo
  EngineOptions options;
  std::shared_ptr<const ModelFile> model;
  std::string adapter_positions;  ///< fingerprint of the positions that the adapter was trained with; empty: any
  std::shared_ptr<const Tokenizer> tokenizer;
  std::optional<SentenceStarts> sentences;  ///< once they are asked for
  std::unique_ptr<Decoder> decoder;
  std::shared_ptr<const PositionPlans> plans;         ///< of sessions made from now on
  Error unfit;                                        ///< why there are no plans yet
  std::shared_ptr<const PositionPlans> active_plans;  ///< what the decoder is set to

  /// Sets the decoder to a session's positions.
  void use(const std::shared_ptr<const PositionPlans>& wanted) {
    if (active_plans == wanted) return;
    decoder->set_positions(wanted->full, wanted->local);
    decoder->set_patterns(wanted->patterns);
    active_plans = wanted;
  }
};

struct Session::Parts {
  Engine::Parts* engine;  ///< outlives the session
  std::shared_ptr<const PositionPlans> plans;
  std::uint64_t max_tokens;
  ReadingDepth depth;
  SequenceState state;
  std::vector<TokenId> tokens;
  std::vector<float> logits;
};

}  // namespace tome
