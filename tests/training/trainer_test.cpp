// Training turns the loss down, a resumed run goes on bit for bit, and what training made is what the engine runs.
#include "training/trainer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "models/adapted_model.h"
#include "models/decoder.h"

namespace tome {
namespace {

namespace fs = std::filesystem;

std::shared_ptr<const ModelFile> open_small(const std::string& name) {
  auto file = open_model_file(std::string(TOME_TEST_DATA) + "/models/" + name);
  EXPECT_TRUE(file) << (file ? "" : file.error().message);
  return *file;
}

/// A text with a rule: each token is the one before plus 3, of 99.
TrainingTexts counting_text() {
  TrainingTexts texts;
  TrainingDocument document{"counting", {}};
  for (int i = 0; i < 2000; ++i) document.tokens.push_back(2 + (i * 3) % 97);
  texts.train.push_back(std::move(document));
  return texts;
}

struct TinyRun {
  explicit TinyRun(const std::string& model,
                   TrainerOptions options = {.steps = 12, .learning_rate = 2e-2, .warmup_steps = 2})
      : texts(counting_text()),
        samples(*SampleMaker::create(texts, {.kind = LongSamples::skip_wise, .target = 256, .length = 48})),
        file(open_small(model)),
        weights(*TrainingWeights::load(file)),
        graph(weights, *plan_positions(file->config, declared_options(file->config), 256),
              plan_local_positions(file->config)),
        trainer((add(), weights), graph, samples, options) {}
  void add() {
    for (int layer = 0; layer < static_cast<int>(weights.config().layers); ++layer)
      for (const Role role : {Role::query, Role::key, Role::value, Role::attention_output})
        weights.add_change(role, layer, 4, 8.0, 1);
    weights.set_trainable(Role::output_norm);
  }
  void steps(int count) {
    for (int i = 0; i < count; ++i) {
      const auto step = trainer.step();
      ASSERT_TRUE(step) << step.error().message;
    }
  }
  TrainingTexts texts;
  SampleMaker samples;
  std::shared_ptr<const ModelFile> file;
  TrainingWeights weights;
  DecoderGradient graph;
  Trainer trainer;
};

TEST(Trainer, the_loss_goes_down_on_a_text_with_a_rule) {
  TinyRun run("llama-untied.gguf", {.steps = 80, .learning_rate = 2e-2, .warmup_steps = 2});
  run.steps(80);
  EXPECT_LT(run.trainer.history().back().loss, 0.6 * run.trainer.history().front().loss);
  EXPECT_TRUE(run.trainer.finished());
}

TEST(Trainer, a_resumed_run_goes_on_bit_for_bit) {
  const std::string path =
      (fs::temp_directory_path() / ("tome_trainer_" + std::to_string(::getpid()) + ".pt")).string();
  TinyRun whole("qwen3"), first("qwen3"), second("qwen3");
  whole.steps(12);
  first.steps(5);
  const Status saved = first.trainer.save(path);
  ASSERT_TRUE(saved) << saved.error().message;
  const Status resumed = second.trainer.resume(path);
  ASSERT_TRUE(resumed) << resumed.error().message;
  EXPECT_EQ(second.trainer.steps_done(), 5u);
  second.steps(7);
  ASSERT_EQ(whole.trainer.history().size(), second.trainer.history().size());
  for (std::size_t i = 0; i < whole.trainer.history().size(); ++i) {
    EXPECT_EQ(whole.trainer.history()[i].loss, second.trainer.history()[i].loss) << i;
    EXPECT_EQ(whole.trainer.history()[i].gradient_norm, second.trainer.history()[i].gradient_norm) << i;
  }
  const auto a = whole.weights.trainable(), b = second.weights.trainable();
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(torch::equal(a[i], b[i])) << i;
  fs::remove(path);
}

TEST(Trainer, a_checkpoint_of_another_run_is_refused) {
  const std::string path =
      (fs::temp_directory_path() / ("tome_trainer2_" + std::to_string(::getpid()) + ".pt")).string();
  TinyRun one("qwen3"), other("gemma3");
  one.steps(1);
  ASSERT_TRUE(one.trainer.save(path));
  const Status resumed = other.trainer.resume(path);
  ASSERT_FALSE(resumed);
  EXPECT_EQ(other.trainer.steps_done(), 0u);
  fs::remove(path);
  EXPECT_FALSE(one.trainer.resume(path));
}

TEST(Trainer, what_is_not_a_number_stops_the_run_and_names_step_and_samples) {
  TinyRun run("llama-untied.gguf");
  run.steps(2);
  {
    const torch::NoGradGuard no_gradients;
    torch::Tensor norm = run.weights.at(Role::output_norm);
    norm[0] = std::numeric_limits<float>::quiet_NaN();
  }
  const torch::Tensor before = run.weights.trainable()[0].detach().clone();
  const auto step = run.trainer.step();
  ASSERT_FALSE(step);
  EXPECT_NE(step.error().message.find("step 3 (samples 2 to 2)"), std::string::npos) << step.error().message;
  EXPECT_TRUE(torch::equal(before, run.weights.trainable()[0]));
}

TEST(Trainer, the_rate_warms_up_and_ends_at_a_tenth) {
  const TrainerOptions options{.steps = 100, .learning_rate = 1.0, .warmup_steps = 10};
  EXPECT_DOUBLE_EQ(Trainer::learning_rate_of(options, 1), 0.1);
  EXPECT_DOUBLE_EQ(Trainer::learning_rate_of(options, 10), 1.0);
  EXPECT_NEAR(Trainer::learning_rate_of(options, 55), 0.55, 1e-9);
  EXPECT_NEAR(Trainer::learning_rate_of(options, 100), 0.1, 1e-9);
}

/// [tokens, vocabulary] of the engine's fp32 path.
std::vector<float> engine_logits(const std::shared_ptr<const ModelFile>& file,
                                 const std::vector<std::int32_t>& tokens) {
  auto weights = load_decoder_weights(file, WeightStorage::copied);
  Decoder decoder(std::move(*weights), {.fp32 = true});
  decoder.set_positions(*plan_positions(file->config, declared_options(file->config), 256),
                        plan_local_positions(file->config));
  SequenceState state = *decoder.new_state(DType::f32);
  Batch batch;
  for (std::size_t i = 0; i < tokens.size(); ++i) batch.push_back({tokens[i], i, &state, true});
  std::vector<float> all;
  decoder.forward(batch,
                  [&](std::size_t, std::span<const float> row) { all.insert(all.end(), row.begin(), row.end()); });
  return all;
}

TEST(Trainer, the_engine_runs_what_training_made) {
  for (const std::string name : {"llama-untied.gguf", "llama-untied", "qwen3.gguf", "gemma3.gguf", "gemma3"}) {
    TinyRun run(name);
    run.steps(6);
    LoraAdapter adapter;
    const auto view = [](const torch::Tensor& tensor) {
      return TensorView{DType::f32,
                        {tensor.sizes().begin(), tensor.sizes().end()},
                        reinterpret_cast<const std::byte*>(tensor.data_ptr<float>()),
                        Device::cpu};
    };
    for (const auto& [key, change] : run.weights.changes())
      adapter.changes[key] = {view(change.a), view(change.b), change.scale};
    const torch::Tensor norm = run.weights.as_stored_elsewhere({Role::output_norm, -1});
    adapter.replaced[{Role::output_norm, -1}] = view(norm);
    const auto adapted = adapted_model(run.file, adapter, DType::f32);
    ASSERT_TRUE(adapted) << adapted.error().message;
    EXPECT_NE((*adapted)->fingerprint, run.file->fingerprint);

    const TrainingSample sample = [&] {
      TrainingSample made;
      for (std::size_t i = 0; i < 61; ++i) {
        made.tokens.push_back(static_cast<std::int32_t>(2 + (i * 5) % 97));
        made.targets.push_back(TrainingSample::kNoTarget);
        made.positions.push_back(i);
        made.local_positions.push_back(i);
        made.document_start.push_back(0);
        made.local_start.push_back(0);
      }
      return made;
    }();
    const torch::Tensor wanted = run.graph.logits(sample);
    const std::vector<float> got = engine_logits(*adapted, sample.tokens),
                             base = engine_logits(run.file, sample.tokens);
    ASSERT_EQ(got.size(), static_cast<std::size_t>(wanted.numel()));
    double worst = 0.0, moved = 0.0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      worst = std::max(worst, static_cast<double>(std::fabs(got[i] - wanted.data_ptr<float>()[i])));
      moved = std::max(moved, static_cast<double>(std::fabs(got[i] - base[i])));
    }
    EXPECT_LT(worst, 1e-3) << name;
    EXPECT_GT(moved, 0.5) << name;
  }
}

}  // namespace
}  // namespace tome
