#include "runtime/engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/cpu_features.h"
#include "base/log.h"
#include "base/thread_pool.h"
#include "formats/lora_adapter.h"
#include "kernels/kernel_table.h"
#include "models/adapted_model.h"
#include "runtime/engine_parts.h"
#include "runtime/evidence_heads.h"
#include "runtime/memory_at_hand.h"

namespace tome {
namespace {

constexpr std::uint64_t kWorkingMemory = std::uint64_t{300} << 20;  ///< scratch beside weights and KV

double gibibytes(std::uint64_t bytes) { return static_cast<double>(bytes) / static_cast<double>(1u << 30); }

WeightStorage weight_storage(const EngineOptions& options, const ModelFile& model) {
  if (options.map_weights) return WeightStorage::mapped;
  if (model.file_bytes <= memory_at_hand() / 2) return WeightStorage::copied;
  report_fallback(fmt::format("weights of {:.1f} GiB", gibibytes(model.file_bytes)),
                  "more than half of the memory at hand, read from the mapped file");
  return WeightStorage::mapped;
}

/// [layers], and told in `description`.
Result<std::vector<std::shared_ptr<const AttentionPattern>>> layer_patterns(
    const ModelConfig& config, const std::vector<LayerPattern>& wanted, const std::vector<HeadId>& retrieval_heads,
    std::uint64_t needed, std::span<const std::uint64_t> starts, std::string& description) {
  std::vector<std::shared_ptr<const AttentionPattern>> patterns(config.layers);
  for (const LayerPattern& choice : wanted) {
    const auto pattern = AttentionPattern::create(choice.pattern, needed, {}, starts);
    const auto set = [&](std::size_t layer) {
      patterns[layer] = pattern;
      if (choice.pattern.kind != PatternKind::duo) return;
      std::vector<std::uint32_t> full;
      for (const HeadId& head : retrieval_heads)
        if (head.layer == layer) full.push_back(head.head / (config.heads / config.kv_heads));
      if (!full.empty()) patterns[layer] = AttentionPattern::create(choice.pattern, needed, std::move(full), starts);
    };
    std::string layers;
    for (const auto& [first, last] : choice.layers) {
      if (last >= config.layers)
        return fail(ErrorKind::usage, "--attention: layer {}, expected 0 to {}", last, config.layers - 1);
      for (std::uint32_t layer = first; layer <= last; ++layer) {
        if (config.local_layers[layer])
          return fail(ErrorKind::usage,
                      "--attention: layer {} has a window of its own, expected a full-attention layer", layer);
        set(layer);
      }
      layers += fmt::format("{}{}-{}", layers.empty() ? " of layers " : ",", first, last);
    }
    const auto is_local = [](bool local) { return local; };
    if (pattern != nullptr && choice.layers.empty() &&
        std::all_of(config.local_layers.begin(), config.local_layers.end(), is_local))
      return fail(ErrorKind::usage, "--attention {}: every layer of the model has a window of its own",
                  pattern->description());
    for (std::size_t layer = 0; choice.layers.empty() && layer < patterns.size(); ++layer)
      if (!config.local_layers[layer]) set(layer);
    if (pattern != nullptr || !layers.empty())
      description += fmt::format("; attention{} {}", layers, pattern == nullptr ? "full" : pattern->description());
    if (choice.pattern.kind == PatternKind::duo)
      for (const HeadId& head : retrieval_heads) description += fmt::format(" {}.{}", head.layer, head.head);
  }
  return patterns;
}

}  // namespace

Engine::Engine() : parts_(std::make_unique<Parts>()) {}
Engine::~Engine() = default;

Result<std::shared_ptr<Engine>> Engine::create(const EngineOptions& options) {
  TOME_TRY(check_isa_environment());
  if (options.chunk == 0) return fail(ErrorKind::usage, "--chunk: found 0, expected at least 1");
  set_thread_count(options.threads);
  auto engine = std::shared_ptr<Engine>(new Engine());
  Parts& parts = *engine->parts_;
  parts.options = options;
  if (options.precision == Precision::fp32) parts.options.kv_type = DType::f32;
  if (parts.options.attention_precision == AttentionPrecision::int8) {
    if (parts.options.kv_type != DType::q8_0)
      return fail(ErrorKind::usage, "--attention-precision int8: found --kv-type {}, expected q8_0",
                  dtype_name(parts.options.kv_type));
    if (!kernels::kernels().int8_scores)
      return fail(ErrorKind::unsupported,
                  "--attention-precision int8: this machine has {}, expected AVX-512 with BF16 and VNNI",
                  isa_name(active_isa()));
  }
  TOME_ASSIGN(parts.model, open_model_file(options.model));
  if (!options.adapter.empty()) {
    TOME_ASSIGN(const LoraAdapter adapter, open_lora_adapter(options.adapter, parts.model->config));
    const DType type = options.precision == Precision::fp32 ? DType::f32 : DType::bf16;
    TOME_ASSIGN(parts.model, adapted_model(parts.model, adapter, type));
    parts.adapter_positions = adapter.position_fingerprint;
  }
  const bool duo = std::any_of(options.attention.begin(), options.attention.end(),
                               [](const LayerPattern& choice) { return choice.pattern.kind == PatternKind::duo; });
  if (duo) {
    TOME_ASSIGN(const std::optional<EvidenceHeads> heads, find_evidence_heads(*parts.model));
    if (!heads)
      return fail(ErrorKind::usage, "--attention duo: no retrieval heads are known, expected {} (tome calibrate heads)",
                  heads_file_path(options.model));
    parts.retrieval_heads = heads->heads;
  }
  TOME_ASSIGN(parts.tokenizer, Tokenizer::create(parts.model->tokenizer));
  TOME_ASSIGN(DecoderWeights weights, load_decoder_weights(parts.model, weight_storage(options, *parts.model)));
  parts.decoder = std::make_unique<Decoder>(
      std::move(weights),
      Decoder::Options{.fp32 = options.precision == Precision::fp32, .attention = parts.options.attention_precision});
  TOME_TRY(parts.decoder->new_state(parts.options.kv_type));
  // Settings that do not suit the trained window may suit the length that fit() is told: refused by new_session if not.
  if (const Status native = engine->fit(parts.model->config.context_length); !native) {
    if (options.automatic_positions) return tl::unexpected(native.error());
    parts.unfit = native.error();
  }
  return engine;
}

const ModelFile& Engine::model() const { return *parts_->model; }
const Tokenizer& Engine::tokenizer() const { return *parts_->tokenizer; }
const EngineOptions& Engine::options() const { return parts_->options; }
const PositionPlan& Engine::positions() const { return parts_->plans->full; }
const std::string& Engine::plan_fingerprint() const { return parts_->plans->fingerprint; }

Status Engine::fit(std::uint64_t needed, std::span<const TokenId> text) {
  const ModelConfig& config = parts_->model->config;
  const PositionOptions options =
      parts_->options.automatic_positions ? automatic_options(config, needed) : parts_->options.positions;
  auto plans = std::make_shared<PositionPlans>();
  TOME_ASSIGN(plans->full, plan_positions(config, options, needed));
  if (!parts_->adapter_positions.empty() && plans->full.fingerprint() != parts_->adapter_positions)
    return fail(ErrorKind::usage,
                "[adapter] {}: trained with positions {}, expected here too; found {} (--rope-scaling {}, {} tokens)",
                parts_->options.adapter, parts_->adapter_positions, plans->full.fingerprint(),
                scaling_method_name(plans->full.method), needed);
  plans->local = plan_local_positions(config);
  std::vector<std::uint64_t> starts;
  const auto& wanted = parts_->options.attention;
  if (std::any_of(wanted.begin(), wanted.end(), [](const LayerPattern& one) { return has_globals(one.pattern); })) {
    if (!parts_->sentences) parts_->sentences.emplace(*parts_->tokenizer);
    starts = parts_->sentences->find(text);
  }
  std::string attention;
  TOME_ASSIGN(plans->patterns, layer_patterns(config, wanted, parts_->retrieval_heads, needed, starts, attention));
  plans->fingerprint = plans->full.fingerprint();
  if (parts_->options.attention_precision == AttentionPrecision::int8) {
    if (!plans->full.keys_stored_rotated())
      return fail(ErrorKind::usage,
                  "--attention-precision int8: found --rope-scaling {}, expected a method that stores rotated keys",
                  scaling_method_name(options.method));
    plans->fingerprint += "; attention in int8";
  }
  if (parts_->options.kv_type == DType::q4_0 && !plans->full.keys_stored_rotated())
    return fail(ErrorKind::usage, "--kv-type q4_0: found --rope-scaling {}, expected a method that stores rotated keys",
                scaling_method_name(options.method));
  const bool choosing = std::any_of(plans->patterns.begin(), plans->patterns.end(),
                                    [](const auto& pattern) { return pattern != nullptr && pattern->top_pages() > 0; });
  if (choosing && !plans->full.keys_stored_rotated())
    return fail(ErrorKind::usage,
                "--attention page_top_k: found --rope-scaling {}, expected a method that stores rotated keys",
                scaling_method_name(options.method));
  plans->fingerprint += attention;
  parts_->plans = std::move(plans);
  return {};
}

std::uint64_t Engine::kv_bytes(std::uint64_t tokens, const ReadingDepth& depth) const {
  return parts_->decoder->kv_bytes(parts_->options.kv_type, tokens, parts_->options.chunk, depth);
}

Result<std::unique_ptr<Session>> Engine::new_session(std::uint64_t max_tokens, const ReadingDepth& depth) {
  if (parts_->plans == nullptr) return tl::unexpected(parts_->unfit);
  const std::uint64_t needed = kv_bytes(max_tokens, depth) + kWorkingMemory, at_hand = memory_at_hand();
  if (needed > at_hand)
    return fail(
        ErrorKind::memory,
        "not enough memory: {} tokens need {:.2f} GiB ({:.2f} for keys and values in {}), {:.2f} GiB are at hand; "
        "a smaller --kv-type or a shorter text needs less",
        max_tokens, gibibytes(needed), gibibytes(kv_bytes(max_tokens, depth)), dtype_name(parts_->options.kv_type),
        gibibytes(at_hand));
  TOME_ASSIGN(SequenceState state, parts_->decoder->new_state(parts_->options.kv_type, depth));
  auto session = std::unique_ptr<Session>(new Session());
  session->parts_ = std::make_unique<Session::Parts>(
      Session::Parts{parts_.get(), parts_->plans, max_tokens, depth, std::move(state), {}, {}});
  return session;
}

}  // namespace tome
