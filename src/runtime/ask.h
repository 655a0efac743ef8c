#pragma once
// The main job: read a document with one model, find the passages that the model itself points at, and answer a
// question directly or from re-reading those passages, with the same model or another. A DocumentReader owns the
// reading session; every question is asked of a fork of it. One thread at a time.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "runtime/document.h"
#include "runtime/engine.h"
#include "runtime/evidence_heads.h"
#include "runtime/generation.h"
#include "runtime/passages.h"
#include "runtime/prompt.h"

namespace tome {

enum class AskStrategy {
  automatic,  ///< reread when the document exceeds 4K tokens and passages can be ranked; direct otherwise
  direct,     ///< the question right after the whole document
  reread,     ///< the question after the best passages only
  skim,       ///< as reread, but the document is read only as deep as the evidence heads' keys need: linear time
};
std::string_view ask_strategy_name(AskStrategy strategy);
enum class EvidenceSource { heads, bm25 };

struct AskOptions {
  EngineOptions engine;      ///< the reading model and how it runs
  std::string answer_model;  ///< path; empty: the reading model answers
  AskStrategy strategy = AskStrategy::automatic;
  EvidenceSource evidence = EvidenceSource::heads;
  bool subtract_empty_question = false;  ///< passage scores less those of the question "N/A" (arXiv 2410.02642)
  std::size_t reread_passages = 8;
  double reread_floor = 0.3;           ///< of the best passage's score: what scores less is not re-read
  std::uint64_t reread_tokens = 1500;  ///< at most, in the answering model's tokens
  std::uint64_t max_answer_tokens = 96;
  SamplingOptions sampling;         ///< greedy by default
  std::vector<std::string> stop;    ///< beside the prompt form's own
  std::optional<PromptForm> form;   ///< of both models; default: what each model file suggests
  std::uint64_t context_limit = 0;  ///< -c: refuse documents that need more tokens; 0: none
  std::string cache_directory;      ///< for snapshots; empty: none are kept
  std::uint64_t cache_limit = std::uint64_t{8} << 30;
  std::uint64_t cache_from_tokens = 4096;  ///< shorter documents are not kept
  ProgressFunction progress;
  std::function<void(std::string_view)> notice;  ///< decisions worth a line, before the work: scaling, cache …
};

/// Where the time went.
struct AskStage {
  std::string name;  ///< "load", "read", "point", "answer" …
  double seconds = 0;
  std::uint64_t tokens = 0;  ///< 0: not a matter of tokens
};

struct Answer {
  std::string question;
  GenerationResult generated;                  ///< the answer's text and tokens
  AskStrategy strategy = AskStrategy::direct;  ///< the one used
  std::vector<Passage> ranking;                ///< all passages, best first; empty when they cannot be ranked
  std::vector<Excerpt> given;                  ///< what was re-read, in document order; empty for direct
  std::uint64_t prompt_tokens = 0;             ///< that the answering model took in for this question
  std::vector<AskStage> stages;
};

class DocumentReader {
 public:
  /// Loads the model, decides positions for document + longest question + answer, says so. Nothing is read yet.
  /// Errors: those of the parts; usage (context limit); memory (before the work).
  static Result<std::unique_ptr<DocumentReader>> open(AskOptions options, Document document,
                                                      const std::vector<std::string>& questions);
  ~DocumentReader();

  /// Reads the document (or loads its snapshot) at the first call that needs it. `on_ranking` is told the ranking
  /// before the answer begins, `on_text` the answer as it is written.
  Result<Answer> ask(const std::string& question, const std::function<void(const Answer&)>& on_ranking = {},
                     const std::function<void(std::string_view)>& on_text = {});

  const Document& document() const;
  const Engine& engine() const;
  const Engine& answer_engine() const;  ///< the reading engine unless another model answers
  PromptForm answer_form() const;
  std::uint64_t document_tokens() const;
  std::uint64_t session_bytes() const;  ///< that the reading session takes for keys and values
  const std::optional<EvidenceHeads>& heads() const;
  const std::vector<AskStage>& stages() const;  ///< of opening and reading
  bool read_from_cache() const;

 private:
  DocumentReader();
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tome
