#include "training/trainer.h"

#include <torch/serialize/archive.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <sstream>

#include "base/check.h"
#include "base/mapped_file.h"

namespace tome {
namespace {

constexpr std::int64_t kStepFields = 5;

double norm_of(const std::vector<torch::Tensor>& tensors) {
  double sum = 0.0;
  for (const torch::Tensor& tensor : tensors)
    if (tensor.grad().defined()) sum += tensor.grad().to(torch::kFloat64).pow(2).sum().item<double>();
  return std::sqrt(sum);
}

/// torch's messages go on with a stack trace.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

Trainer::Trainer(TrainingWeights& weights, DecoderGradient& graph, const SampleMaker& samples,
                 const TrainerOptions& options)
    : graph_(graph), samples_(samples), options_(options), tensors_(weights.trainable()) {
  CHECK(!tensors_.empty() && options.samples_per_step > 0);
  optimizer_ = std::make_unique<torch::optim::AdamW>(
      tensors_,
      torch::optim::AdamWOptions(options.learning_rate).betas({0.9, 0.95}).weight_decay(options.weight_decay));
}

double Trainer::learning_rate_of(const TrainerOptions& options, std::uint64_t number) {
  if (number <= options.warmup_steps)
    return options.learning_rate * static_cast<double>(number) / static_cast<double>(options.warmup_steps);
  const double done =
      static_cast<double>(number - options.warmup_steps) /
      static_cast<double>(std::max<std::uint64_t>(1, options.steps - std::min(options.steps, options.warmup_steps)));
  return options.learning_rate * (0.55 + 0.45 * std::cos(std::numbers::pi * std::min(1.0, done)));
}

Result<TrainingStep> Trainer::step() {
  TrainingStep report;
  report.number = steps_done() + 1;
  report.learning_rate = learning_rate_of(options_, report.number);
  const std::uint64_t first = steps_done() * options_.samples_per_step;
  std::vector<TrainingSample> samples;
  for (std::uint64_t i = 0; i < options_.samples_per_step; ++i) {
    samples.push_back(samples_.sample(first + i));
    report.tokens += samples.back().counted();
  }
  if (report.tokens == 0)
    return fail(ErrorKind::usage, "[training] step {} (samples {} to {}): no token counts, expected some",
                report.number, first, first + options_.samples_per_step - 1);
  optimizer_->zero_grad();
  double total = 0.0;
  for (const TrainingSample& sample : samples)
    total += graph_.add_gradients(sample, 1.0 / static_cast<double>(report.tokens));
  report.loss = total / static_cast<double>(report.tokens);
  report.gradient_norm = norm_of(tensors_);
  if (!std::isfinite(report.loss) || !std::isfinite(report.gradient_norm))
    return fail(ErrorKind::numeric, "[training] step {} (samples {} to {}): loss {}, gradient {}: not a number",
                report.number, first, first + options_.samples_per_step - 1, report.loss, report.gradient_norm);
  if (options_.clip > 0.0 && report.gradient_norm > options_.clip)
    for (const torch::Tensor& tensor : tensors_)
      if (tensor.grad().defined()) tensor.mutable_grad().mul_(options_.clip / report.gradient_norm);
  for (auto& group : optimizer_->param_groups())
    static_cast<torch::optim::AdamWOptions&>(group.options()).lr(report.learning_rate);
  optimizer_->step();
  done_.push_back(report);
  return report;
}

Status Trainer::save(const std::string& path) const {
  std::ostringstream bytes;
  try {
    torch::serialize::OutputArchive archive;
    for (std::size_t i = 0; i < tensors_.size(); ++i) archive.write(std::to_string(i), tensors_[i].detach());
    torch::serialize::OutputArchive state(archive.compilation_unit());
    optimizer_->save(state);
    archive.write("optimizer", state);
    torch::Tensor history = torch::empty({static_cast<std::int64_t>(done_.size()), kStepFields}, torch::kFloat64);
    auto* to = history.data_ptr<double>();
    for (const TrainingStep& step : done_) {
      *to++ = static_cast<double>(step.number);
      *to++ = step.loss;
      *to++ = step.gradient_norm;
      *to++ = step.learning_rate;
      *to++ = static_cast<double>(step.tokens);
    }
    archive.write("history", history);
    archive.save_to(bytes);
  } catch (const c10::Error& error) {
    return fail(ErrorKind::io, "[training] {}: {}", path, error.what_without_backtrace());
  }
  return write_file_atomically(path, bytes.str());
}

Status Trainer::resume(const std::string& path) {
  try {
    torch::serialize::InputArchive archive;
    archive.load_from(path);
    std::vector<torch::Tensor> loaded(tensors_.size());
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      archive.read(std::to_string(i), loaded[i]);
      if (loaded[i].sizes() != tensors_[i].sizes())
        return fail(ErrorKind::format, "[training] {}: tensor {} has another shape than this run's", path, i);
    }
    torch::Tensor history, more;
    if (archive.try_read(std::to_string(tensors_.size()), more))
      return fail(ErrorKind::format, "[training] {}: holds more than the {} tensors of this run", path,
                  tensors_.size());
    archive.read("history", history);
    if (history.dim() != 2 || history.size(1) != kStepFields || history.scalar_type() != torch::kFloat64)
      return fail(ErrorKind::format, "[training] {}: 'history' has another shape than expected", path);
    torch::serialize::InputArchive state;
    archive.read("optimizer", state);
    optimizer_->load(state);
    const torch::NoGradGuard no_gradients;
    for (std::size_t i = 0; i < tensors_.size(); ++i) tensors_[i].copy_(loaded[i]);
    done_.clear();
    const auto* from = history.data_ptr<double>();
    for (std::int64_t row = 0; row < history.size(0); ++row, from += kStepFields)
      done_.push_back(
          {static_cast<std::uint64_t>(from[0]), from[1], from[2], from[3], static_cast<std::uint64_t>(from[4])});
  } catch (const c10::Error& error) {
    return fail(ErrorKind::format, "[training] {}: {}", path, first_line(error.what_without_backtrace()));
  }
  return {};
}

}  // namespace tome
