// What a session promises: the same logits for any thread count, after a snapshot in the middle, after a fork, and for
// position plans of several parts where they must coincide with the native one.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "base/cancel.h"
#include "base/rng.h"
#include "base/thread_pool.h"
#include "runtime/engine.h"
#include "runtime/evidence_heads.h"
#include "runtime/sampler.h"

namespace tome {
namespace {

std::string checkpoint(const std::string& name) { return std::string(TOME_TEST_DATA) + "/models/" + name; }

std::shared_ptr<Engine> open(const std::string& name, Precision precision = Precision::native, std::uint32_t chunk = 64,
                             const PositionOptions& positions = {}, bool automatic = true, DType kv = DType::bf16) {
  EngineOptions options;
  options.model = checkpoint(name);
  options.precision = precision;
  options.chunk = chunk;
  options.positions = positions;
  options.automatic_positions = automatic;
  options.kv_type = kv;
  auto engine = Engine::create(options);
  EXPECT_TRUE(engine) << (engine ? "" : engine.error().message);
  return *engine;
}

std::vector<TokenId> some_tokens(std::size_t count, std::uint64_t seed = 9) {
  Rng rng(seed);
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = static_cast<TokenId>(rng.below(99));
  return tokens;
}

std::vector<float> logits_of(Engine& engine, const std::vector<TokenId>& tokens) {
  const Status fitted = engine.fit(tokens.size());
  EXPECT_TRUE(fitted) << (fitted ? "" : fitted.error().message);
  if (!fitted) return {};
  auto session = engine.new_session(tokens.size());
  EXPECT_TRUE(session);
  std::vector<float> all;
  EXPECT_TRUE((*session)->prefill_with_logits(
      tokens, [&](std::uint64_t, std::span<const float> row) { all.insert(all.end(), row.begin(), row.end()); }));
  return all;
}

constexpr const char* kNames[] = {"llama-untied", "mistral-window", "qwen2", "qwen3", "gemma3"};

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (const double one = static_cast<double>(std::fabs(a[i] - b[i])); !(one <= largest)) largest = one;
  return largest;
}

TEST(Session, logits_are_bitwise_the_same_for_any_thread_count) {
  for (const char* name : kNames) {
    const auto tokens = some_tokens(300);
    auto engine = open(name);
    set_thread_count(1);
    const auto one = logits_of(*engine, tokens);
    for (const int threads : {2, 3}) {
      set_thread_count(threads);
      EXPECT_EQ(one, logits_of(*engine, tokens)) << name << " with " << threads << " threads";
    }
    set_thread_count(0);
  }
}

TEST(Session, logits_are_bitwise_the_same_after_a_snapshot_in_the_middle) {
  const std::string path = std::filesystem::temp_directory_path() / ("tome_session_" + std::to_string(::getpid()));
  for (const char* name : kNames)
    for (const DType kv : {DType::bf16, DType::f16}) {
      const auto tokens = some_tokens(256);
      auto engine = open(name, Precision::native, 64, {}, true, kv);
      ASSERT_TRUE(engine->fit(256));
      auto straight = *engine->new_session(256);
      ASSERT_TRUE(straight->prefill(tokens));
      auto first = *engine->new_session(256);
      ASSERT_TRUE(first->prefill(std::span(tokens).first(128)));
      ASSERT_TRUE(first->save(path));
      auto loaded = Session::load(*engine, path, 256);
      ASSERT_TRUE(loaded) << loaded.error().message;
      EXPECT_EQ((*loaded)->length(), 128u);
      ASSERT_TRUE((*loaded)->prefill(std::span(tokens).subspan(128)));
      EXPECT_TRUE(std::ranges::equal(straight->logits(), (*loaded)->logits())) << name;
    }
  std::filesystem::remove(path);
}

TEST(Session, a_snapshot_of_other_positions_or_another_model_is_refused) {
  const std::string path = std::filesystem::temp_directory_path() / ("tome_refused_" + std::to_string(::getpid()));
  auto engine = open("gemma3");
  auto session = *engine->new_session(64);
  ASSERT_TRUE(session->prefill(some_tokens(20)));
  ASSERT_TRUE(session->save(path));
  auto scaled = open("gemma3", Precision::native, 64, {.method = ScalingMethod::linear, .factor = 2.0}, false);
  const auto refused = Session::load(*scaled, path, 64);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("made with positions"), std::string::npos) << refused.error().message;
  auto other = open("gemma3.gguf");
  const auto foreign = Session::load(*other, path, 64);
  ASSERT_FALSE(foreign);
  EXPECT_NE(foreign.error().message.find("made with model"), std::string::npos) << foreign.error().message;
  std::filesystem::remove(path);
}

TEST(Session, a_fork_goes_its_own_way_and_leaves_the_original_as_it_was) {
  auto engine = open("gemma3");
  ASSERT_TRUE(engine->fit(200));
  const auto tokens = some_tokens(100), left = some_tokens(30, 1), right = some_tokens(30, 2);
  auto session = *engine->new_session(200);
  ASSERT_TRUE(session->prefill(tokens));
  auto fork = session->fork();
  ASSERT_TRUE(fork->prefill(left));
  ASSERT_TRUE(session->prefill(right));
  auto fresh = *engine->new_session(200);
  ASSERT_TRUE(fresh->prefill(tokens));
  ASSERT_TRUE(fresh->prefill(right));
  EXPECT_TRUE(std::ranges::equal(session->logits(), fresh->logits()));
  EXPECT_FALSE(std::ranges::equal(session->logits(), fork->logits()));
}

/// Layer 5 of the tiny gemma3 is its first that sees everything: what a skim leaves out cannot change its keys.
TEST(Session, a_skim_points_as_the_whole_model_does_where_the_layers_below_are_local) {
  const auto tokens = some_tokens(400), question = some_tokens(12, 3);
  for (const Precision precision : {Precision::native, Precision::fp32}) {
    auto engine = open("gemma3", precision);
    const ModelConfig& config = engine->model().config;
    std::uint32_t layer = 0;
    while (layer < config.layers && config.local_layers[layer]) ++layer;
    ASSERT_GT(layer, 0u);
    ASSERT_LT(layer, config.layers);
    const std::vector<HeadId> heads = {{layer, 0}, {layer, 1}};
    auto whole = *engine->new_session(512), skim = *engine->new_session(512, {.keys_of = layer});
    ASSERT_TRUE(whole->prefill(tokens));
    ASSERT_TRUE(skim->prefill(tokens));
    EXPECT_TRUE(skim->logits().empty());
    EXPECT_EQ(skim->length(), 400u);
    const auto expected = whole->prefill_with_head_evidence(question, 2, 11, heads);
    const auto found = skim->prefill_with_head_evidence(question, 2, 11, heads);
    ASSERT_TRUE(expected && found);
    for (std::size_t head = 0; head < heads.size(); ++head) {
      double sum = 0;
      ASSERT_EQ((*found)[head].size(), 412u);
      for (std::size_t key = 0; key < 412; ++key) {
        EXPECT_NEAR((*found)[head][key], (*expected)[head][key], 1e-5 + 1e-3 * (*expected)[head][key]);
        sum += (*found)[head][key];
      }
      EXPECT_NEAR(sum, 1.0, 1e-3);
    }
    EXPECT_LT(engine->kv_bytes(100000, {.keys_of = layer}), engine->kv_bytes(100000));
  }
}

TEST(Session, a_skim_is_windowed_where_a_layer_below_sees_everything_and_works_with_plans_of_several_parts) {
  const auto tokens = some_tokens(300), question = some_tokens(12, 3);
  const PositionOptions several{
      .method = ScalingMethod::self_extend, .group = 4, .neighbour_window = 32, .allow_no_op = true};
  for (const bool parts : {false, true}) {
    auto engine =
        parts ? open("llama-untied", Precision::fp32, 64, several, false) : open("llama-untied", Precision::fp32);
    ASSERT_TRUE(engine->fit(400));
    const std::vector<HeadId> heads = {{1, 1}};
    const auto evidence = [&](const ReadingDepth& depth) {
      auto session = *engine->new_session(400, depth);
      EXPECT_TRUE(session->prefill(tokens));
      return (*session->prefill_with_head_evidence(question, 0, 12, heads))[0];
    };
    const auto whole = evidence({}), wide = evidence({1, 512}), narrow = evidence({1, 64});
    double from_wide = 0, from_narrow = 0;
    for (std::size_t key = 0; key < whole.size(); ++key) {
      from_wide = std::max(from_wide, std::fabs(static_cast<double>(whole[key] - wide[key])));
      from_narrow = std::max(from_narrow, std::fabs(static_cast<double>(whole[key] - narrow[key])));
    }
    EXPECT_LT(from_wide, 1e-5);
    EXPECT_GT(from_narrow, 1e-5);
  }
}

/// The same keys as a whole model whose lower layer streams: sinks and window, in one chunk and in many.
TEST(Session, a_skim_streams_where_a_layer_below_sees_everything) {
  const auto tokens = some_tokens(700), question = some_tokens(12, 3);
  const std::vector<HeadId> heads = {{1, 0}, {1, 1}};
  const auto evidence = [&](Engine& engine, const ReadingDepth& depth) {
    EXPECT_TRUE(engine.fit(800));
    auto session = *engine.new_session(800, depth);
    EXPECT_TRUE(session->prefill(tokens));
    return *session->prefill_with_head_evidence(question, 0, 12, heads);
  };
  EngineOptions streaming;
  streaming.model = checkpoint("llama-untied");
  streaming.precision = Precision::fp32;
  streaming.attention = {*parse_layer_pattern("0=streaming:sinks=8,window=100")};
  const auto whole_engine = *Engine::create(streaming);
  const auto whole = evidence(*whole_engine, {});
  for (const std::uint32_t chunk : {37u, 512u}) {
    auto engine = open("llama-untied", Precision::fp32, chunk);
    const auto skim = evidence(*engine, {.keys_of = 1, .window = 100, .sinks = 8});
    const auto without = evidence(*engine, {.keys_of = 1, .window = 100, .sinks = 0});
    double far = 0;
    for (std::size_t head = 0; head < heads.size(); ++head)
      for (std::size_t key = 0; key < whole[head].size(); ++key) {
        EXPECT_NEAR(skim[head][key], whole[head][key], 1e-6) << "chunk " << chunk << " key " << key;
        far = std::max(far, std::fabs(static_cast<double>(without[head][key] - whole[head][key])));
      }
    EXPECT_GT(far, 1e-5) << "sinks change something";
    EXPECT_GT(engine->kv_bytes(100000, {.keys_of = 1, .window = 100, .sinks = 1000}),
              engine->kv_bytes(100000, {.keys_of = 1, .window = 100, .sinks = 8}));
  }
}

TEST(Session, globals_follow_the_text_and_a_snapshot_belongs_to_them) {
  EngineOptions options;
  options.model = checkpoint("llama-untied");
  options.attention = {*parse_layer_pattern("longformer:window=16,globals=4")};
  const auto engine = *Engine::create(options);
  const auto full_stop = engine->tokenizer().encode(".", AddSpecial::no, ParseSpecial::no);
  ASSERT_FALSE(full_stop.empty());
  std::vector<TokenId> one(120, 40), other(120, 40);
  one[33] = other[37] = full_stop.back();
  const auto plan_of = [&](std::span<const TokenId> text) {
    EXPECT_TRUE(engine->fit(120, text));
    return engine->plan_fingerprint();
  };
  const std::string even = plan_of({}), first = plan_of(one), second = plan_of(other);
  EXPECT_NE(even, first);
  EXPECT_NE(first, second);
  EXPECT_EQ(first, plan_of(one));
  const std::string path = std::filesystem::temp_directory_path() / ("tome_globals_" + std::to_string(::getpid()));
  auto session = *engine->new_session(120);
  ASSERT_TRUE(session->prefill(std::span<const TokenId>(one).first(60)));
  ASSERT_TRUE(session->save(path));
  EXPECT_TRUE(Session::load(*engine, path, 120));
  plan_of(other);
  EXPECT_FALSE(Session::load(*engine, path, 120));
  std::filesystem::remove(path);
}

// Long chunks take global tokens apart, short ones read their pages: turned keys, ranges of parts, dropped pages.
TEST(Session, global_tokens_do_not_depend_on_the_chunk_size) {
  const auto tokens = some_tokens(700), question = some_tokens(12, 3);
  const std::vector<HeadId> heads = {{1, 1}};
  for (const char* attention : {"longformer:window=20,globals=40", "window_v3:c=1"})
    for (const ScalingMethod method : {ScalingMethod::none, ScalingMethod::self_extend, ScalingMethod::dual_chunk}) {
      const auto with = [&](std::uint32_t chunk) {
        EngineOptions options;
        options.model = checkpoint("llama-untied");
        options.precision = Precision::fp32;
        options.chunk = chunk;
        options.automatic_positions = false;
        options.positions = {.method = method, .original_context = 64, .allow_no_op = true};
        if (method == ScalingMethod::self_extend) options.positions.group = 25, options.positions.neighbour_window = 32;
        options.attention = {*parse_layer_pattern(attention)};
        auto engine = *Engine::create(options);
        EXPECT_TRUE(engine->fit(800));
        return engine;
      };
      const auto apart = with(150), in_pages = with(25);
      EXPECT_LT(largest_difference(logits_of(*apart, tokens), logits_of(*in_pages, tokens)), 1e-4)
          << attention << " " << scaling_method_name(method);
      if (method != ScalingMethod::none) continue;
      const auto evidence = [&](Engine& engine) {
        auto skim = *engine.new_session(800, {.keys_of = 1, .window = 100, .sinks = 0});
        EXPECT_TRUE(skim->prefill(tokens));
        return (*skim->prefill_with_head_evidence(question, 0, 12, heads))[0];
      };
      EXPECT_LT(largest_difference(evidence(*apart), evidence(*in_pages)), 1e-5) << attention;
    }
}

TEST(Session, a_skim_has_snapshots_of_its_own_and_no_logits) {
  const std::string path = std::filesystem::temp_directory_path() / ("tome_skim_" + std::to_string(::getpid()));
  auto engine = open("gemma3");
  const ReadingDepth depth{.keys_of = 5};
  auto skim = *engine->new_session(400, depth);
  ASSERT_TRUE(skim->prefill(some_tokens(200)));
  EXPECT_FALSE(skim->prefill_with_logits(some_tokens(3), [](std::uint64_t, std::span<const float>) {}));
  ASSERT_TRUE(skim->save(path));
  EXPECT_FALSE(Session::load(*engine, path, 400));
  auto loaded = Session::load(*engine, path, 400, depth);
  ASSERT_TRUE(loaded) << loaded.error().message;
  const auto question = some_tokens(9, 4);
  EXPECT_EQ(*skim->prefill_with_head_evidence(question, 0, 9, std::vector<HeadId>{{5, 1}}),
            *(*loaded)->prefill_with_head_evidence(question, 0, 9, std::vector<HeadId>{{5, 1}}));
  const auto missing = engine->new_session(10, {.keys_of = 99});
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("layer 99"), std::string::npos);
  std::filesystem::remove(path);
}

TEST(Session, an_attention_pattern_is_kept_with_the_snapshot_and_full_coverage_changes_nothing) {
  const std::string path = std::filesystem::temp_directory_path() / ("tome_pattern_" + std::to_string(::getpid()));
  const auto tokens = some_tokens(300);
  const auto with = [&](const char* attention) {
    EngineOptions options;
    options.model = checkpoint("llama-untied");
    options.precision = Precision::fp32;
    options.attention = {*parse_layer_pattern(attention)};
    return *Engine::create(options);
  };
  auto full = with("full"), wide = with("window:300"), narrow = with("streaming:sinks=4,window=32");
  EXPECT_EQ(logits_of(*full, tokens), logits_of(*wide, tokens));
  EXPECT_NE(logits_of(*full, tokens), logits_of(*narrow, tokens));
  // Of two layers: the same pattern for each is the pattern for both, one of them full is something else.
  const auto layered = [&](std::vector<const char*> choices) {
    EngineOptions options;
    options.model = checkpoint("llama-untied");
    options.precision = Precision::fp32;
    for (const char* choice : choices) options.attention.push_back(*parse_layer_pattern(choice));
    return Engine::create(options);
  };
  EXPECT_EQ(logits_of(**layered({"0-1=streaming:sinks=4,window=32"}), tokens), logits_of(*narrow, tokens));
  EXPECT_EQ(logits_of(**layered({"streaming:sinks=4,window=32", "0,1=full"}), tokens), logits_of(*full, tokens));
  const auto first_only = logits_of(**layered({"0=streaming:sinks=4,window=32"}), tokens);
  EXPECT_NE(first_only, logits_of(*full, tokens));
  EXPECT_NE(first_only, logits_of(*narrow, tokens));
  const auto missing = layered({"7=window:4"});
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("layer 7, expected 0 to"), std::string::npos) << missing.error().message;
  EngineOptions windowed;
  windowed.model = checkpoint("mistral-window");
  windowed.attention = {*parse_layer_pattern("window:4")};
  const auto nothing_to_change = Engine::create(windowed);
  ASSERT_FALSE(nothing_to_change);
  EXPECT_NE(nothing_to_change.error().message.find("window of its own"), std::string::npos);
  auto session = *narrow->new_session(300);
  ASSERT_TRUE(session->prefill(tokens));
  ASSERT_TRUE(session->save(path));
  EXPECT_TRUE(Session::load(*narrow, path, 300));
  const auto refused = Session::load(*full, path, 300);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("attention streaming"), std::string::npos) << refused.error().message;
  std::filesystem::remove(path);
}

TEST(Session, duo_needs_known_retrieval_heads_and_lets_their_layers_see_more) {
  const std::filesystem::path model =
      std::filesystem::temp_directory_path() / ("tome_duo_" + std::to_string(::getpid()));
  std::filesystem::copy(checkpoint("llama-untied"), model, std::filesystem::copy_options::recursive);
  const auto tokens = some_tokens(300);
  const auto with = [&](const char* attention) {
    EngineOptions options;
    options.model = model;
    options.precision = Precision::fp32;
    options.attention = {*parse_layer_pattern(attention)};
    return Engine::create(options);
  };
  const auto unknown = with("duo:sinks=4,window=32");
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find("no retrieval heads are known, expected " + model.string() + ".heads.json"),
            std::string::npos)
      << unknown.error().message;
  auto narrow = *with("streaming:sinks=4,window=32"), full = *with("full");
  const auto& config = narrow->model().config;
  EvidenceHeads some{.heads = {{1, 0, 1.0}}, .passage_length = 64, .method = "by hand", .origin = ""}, all = some;
  for (std::uint32_t layer = 0; layer < config.layers; ++layer)
    for (std::uint32_t head = 0; head < config.heads; ++head) all.heads.push_back({layer, head, 1.0});
  const std::string heads = heads_file_path(model.string());
  ASSERT_TRUE(save_evidence_heads(heads, narrow->model(), all));
  auto everywhere = *with("duo:sinks=4,window=32");
  EXPECT_EQ(logits_of(*everywhere, tokens), logits_of(*full, tokens));
  ASSERT_TRUE(save_evidence_heads(heads, narrow->model(), some));
  auto one = *with("duo:sinks=4,window=32");
  EXPECT_NE(logits_of(*one, tokens), logits_of(*narrow, tokens));
  EXPECT_NE(logits_of(*one, tokens), logits_of(*full, tokens));
  EXPECT_NE(one->plan_fingerprint(), everywhere->plan_fingerprint());
  std::filesystem::remove_all(model);
  std::filesystem::remove(heads);
}

TEST(Session, chosen_pages_are_the_same_after_a_snapshot_and_all_pages_change_nothing) {
  const std::string path = std::filesystem::temp_directory_path() / ("tome_choice_" + std::to_string(::getpid()));
  const auto tokens = some_tokens(500);
  const auto with = [&](const char* attention, const PositionOptions& positions = {}) {
    EngineOptions options;
    options.model = checkpoint("llama-untied");
    options.precision = Precision::fp32;
    options.chunk = 100;
    options.attention = {*parse_layer_pattern(attention)};
    options.positions = positions;
    options.automatic_positions = positions.method == ScalingMethod::none;
    return Engine::create(options);
  };
  auto full = *with("full"), all = *with("page_top_k:pages=100"), one = *with("page_top_k:pages=1");
  EXPECT_EQ(logits_of(*full, tokens), logits_of(*all, tokens));
  EXPECT_NE(logits_of(*full, tokens), logits_of(*one, tokens));
  const std::span<const TokenId> all_tokens = tokens;
  auto whole = *one->new_session(500);  // of the last layer its last row alone is asked for, which chooses for itself
  ASSERT_TRUE(whole->prefill(all_tokens));
  const std::vector<float> straight(whole->logits().begin(), whole->logits().end());
  auto session = *one->new_session(500);
  ASSERT_TRUE(session->prefill(all_tokens.first(300)));
  ASSERT_TRUE(session->save(path));
  auto loaded = *Session::load(*one, path, 500);
  auto fork = session->fork();
  for (Session* other : {session.get(), loaded.get(), fork.get()}) {
    ASSERT_TRUE(other->prefill(all_tokens.subspan(300)));
    EXPECT_EQ(std::vector<float>(other->logits().begin(), other->logits().end()), straight);
  }
  std::filesystem::remove(path);
  const PositionOptions unrotated{
      .method = ScalingMethod::self_extend, .group = 4, .neighbour_window = 32, .allow_no_op = true};
  auto several = with("page_top_k", unrotated);
  ASSERT_TRUE(several);  // it may suit another length: refused when a session is made
  const auto refused = (*several)->new_session(10);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("stores rotated keys"), std::string::npos) << refused.error().message;
}

TEST(Session, self_extend_within_its_neighbour_window_equals_native_positions_and_differs_beyond) {
  auto native = open("llama-untied", Precision::fp32);
  const PositionOptions options{
      .method = ScalingMethod::self_extend, .group = 4, .neighbour_window = 32, .allow_no_op = true};
  auto extended = open("llama-untied", Precision::fp32, 64, options, false);
  const auto short_text = some_tokens(32), long_text = some_tokens(150);
  EXPECT_LT(largest_difference(logits_of(*native, short_text), logits_of(*extended, short_text)), 1e-4);
  EXPECT_GT(largest_difference(logits_of(*native, long_text), logits_of(*extended, long_text)), 1e-2);
}

TEST(Session, plans_of_several_parts_do_not_depend_on_the_chunk_size) {
  const auto tokens = some_tokens(150);
  for (const ScalingMethod method : {ScalingMethod::self_extend, ScalingMethod::dual_chunk})
    for (const char* name : {"llama-untied", "llama-untied.gguf", "qwen3"}) {
      PositionOptions options{.method = method, .original_context = 64};
      if (method == ScalingMethod::self_extend) {
        options.group = 4;
        options.neighbour_window = 32;
      } else {
        options.factor = 4.0;
      }
      auto whole = open(name, Precision::fp32, 150, options, false),
           pieces = open(name, Precision::fp32, 13, options, false);
      EXPECT_LT(largest_difference(logits_of(*whole, tokens), logits_of(*pieces, tokens)), 1e-4) << name;
    }
}

TEST(Session, evidence_of_a_head_is_a_distribution_over_the_keys_so_far) {
  auto engine = open("llama-untied");
  ASSERT_TRUE(engine->fit(200));
  auto session = *engine->new_session(200);
  ASSERT_TRUE(session->prefill(some_tokens(120)));
  const HeadId heads[] = {{0, 0}, {1, 2}};
  const auto evidence = session->prefill_with_head_evidence(some_tokens(11, 3), 2, 8, heads);
  ASSERT_TRUE(evidence) << evidence.error().message;
  ASSERT_EQ(evidence->size(), 2u);
  for (const auto& head : *evidence) {
    ASSERT_EQ(head.size(), 131u);
    double total = 0;
    for (const float p : head) total += static_cast<double>(p);
    EXPECT_NEAR(total, 1.0, 5e-3);
    EXPECT_EQ(head[130], 0.0f);  // no row from 2 to 7 sees the last token
  }
  const HeadId wrong[] = {{77, 0}};
  EXPECT_FALSE(session->prefill_with_head_evidence(some_tokens(3), 0, 3, wrong));
}

TEST(Session, refuses_tokens_outside_the_vocabulary_and_more_than_it_was_made_for) {
  auto engine = open("qwen2");
  auto session = *engine->new_session(10);
  const TokenId outside[] = {99};
  EXPECT_NE(session->prefill(outside).error().message.find("outside the vocabulary of 99"), std::string::npos);
  EXPECT_NE(session->prefill(some_tokens(11)).error().message.find("made for 10"), std::string::npos);
  EXPECT_EQ(session->length(), 0u);
}

TEST(Session, says_before_the_work_when_memory_does_not_suffice) {
  auto engine = open("qwen2");
  const auto session = engine->new_session(std::uint64_t{1} << 40);
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().kind, ErrorKind::memory);
  EXPECT_NE(session.error().message.find("not enough memory: 1099511627776 tokens need"), std::string::npos)
      << session.error().message;
}

TEST(Session, stops_cleanly_between_chunks_when_cancelled) {
  auto engine = open("qwen2", Precision::native, 16);
  auto session = *engine->new_session(200);
  const auto tokens = some_tokens(160);
  const Status status = session->prefill(tokens, [](const ProgressReport& report) {
    if (report.done >= 48) cancel_requested() = true;
  });
  cancel_requested() = false;
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::cancelled);
  EXPECT_EQ(session->length(), 48u);
  ASSERT_TRUE(session->prefill(std::span(tokens).subspan(48)));
  auto fresh = *engine->new_session(200);
  ASSERT_TRUE(fresh->prefill(tokens));
  EXPECT_TRUE(std::ranges::equal(session->logits(), fresh->logits()));
}

}  // namespace
}  // namespace tome
