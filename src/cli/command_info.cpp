// `tome info`: what a model file holds, which kernels run, and which positions a length would get.
#include <algorithm>
#include <map>

#include "base/cpu_features.h"
#include "base/log.h"
#include "base/thread_pool.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/flags.h"
#include "formats/model_file.h"
#include "hub/hub.h"
#include "kernels/kernel_table.h"
#include "kernels/machine_peak.h"
#include "position/describe_positions.h"
#include "position/position_plan.h"
#include "runtime/evidence_heads.h"

namespace tome::cli {
namespace {

struct InfoFlags {
  std::string model = "gemma3-270m", target;
  PositionFlags positions;
  bool kernels = false, peak = false, show_positions = false, metadata = false, json = false;
};

Json kernels_json() {
  Json table = Json::object();
  for (const auto& [kernel, implementation] : kernels::kernel_report()) table[kernel] = implementation;
  return {{"instruction_set", isa_name(active_isa())},
          {"best_here", isa_name(best_isa())},
          {"threads", thread_count()},
          {"kernels", std::move(table)},
          {"fallbacks", reported_fallbacks()}};
}

std::string kernels_text() {
  std::string text;
  for (const auto& [kernel, implementation] : kernels::kernel_report())
    text += fmt::format("{:<22} {}\n", kernel, implementation);
  text += fmt::format("{:<22} {}\n{:<22} {}\n", "best set here", isa_name(best_isa()), "threads", thread_count());
  for (const std::string& fallback : reported_fallbacks()) text += fmt::format("{:<22} {}\n", "slower path", fallback);
  return text;
}

Status print_peak(bool json) {
  const kernels::MachinePeak peak = kernels::measure_peak();
  if (json)
    return print(json_text({{"threads", thread_count()},
                            {"instruction_set", isa_name(active_isa())},
                            {"f32_flops", peak.f32},
                            {"bf16_flops", peak.bf16},
                            {"int8_ops", peak.int8},
                            {"read_bytes_per_second", peak.read}}));
  const auto rate = [](double operations, const char* unit) {
    return operations > 0 ? fmt::format("{:>8.0f} {}", operations / 1e9, unit)
                          : std::string("       - (no such instruction)");
  };
  return print(
      fmt::format("{} threads, {}; the best of five short runs, registers only\n"
                  "fp32 multiply-add  {}\nbf16 dot           {}\nint8 dot           {}\n"
                  "reading memory     {:>8.1f} GB/s\n",
                  thread_count(), isa_name(active_isa()), rate(peak.f32, "GFLOP/s"), rate(peak.bf16, "GFLOP/s"),
                  rate(peak.int8, "Gop/s"), peak.read / 1e9));
}

struct EffectivePositions {
  std::uint64_t target = 0;
  PositionPlan plan;
};

Result<EffectivePositions> effective_positions(const ModelConfig& config, const InfoFlags& flags) {
  EffectivePositions result{.target = config.context_length, .plan = {}};
  if (!flags.target.empty()) {
    TOME_ASSIGN(result.target, token_count("--target", flags.target));
  }
  if (result.target == 0) return fail(ErrorKind::usage, "--target 0: expected a number of tokens");
  TOME_ASSIGN(PositionChoice choice, position_choice(flags.positions));
  const PositionOptions options =
      choice.automatic ? automatic_options(config, result.target) : std::move(choice.options);
  TOME_ASSIGN(result.plan, plan_positions(config, options, result.target));
  return result;
}

Json positions_json(const ModelConfig& config, const EffectivePositions& positions) {
  Json parts = Json::array();
  for (const PositionPart& part : positions.plan.parts)
    parts.push_back({{"inverse_frequencies", part.table.inverse_frequencies},
                     {"magnitude", part.table.magnitude},
                     {"softmax_scale", part.table.softmax_scale}});
  return {{"trained", config.context_length},
          {"target", positions.target},
          {"method", scaling_method_name(positions.plan.method)},
          {"factor", positions.plan.factor},
          {"origin", positions.plan.origin},
          {"fingerprint", positions.plan.fingerprint()},
          {"notes", positions.plan.notes},
          {"parts", std::move(parts)}};
}

std::map<std::string, std::pair<std::size_t, std::uint64_t>> tensor_types(const ModelFile& model) {
  std::map<std::string, std::pair<std::size_t, std::uint64_t>> types;
  for (const auto& [key, tensor] : model.tensors) {
    auto& [count, bytes] = types[std::string(dtype_name(tensor.type))];
    ++count;
    bytes += tensor.bytes();
  }
  return types;
}

std::string model_text(const ModelFile& model, const std::optional<EvidenceHeads>& heads) {
  const ModelConfig& config = model.config;
  const auto local = std::count(config.local_layers.begin(), config.local_layers.end(), true);
  std::uint64_t parameters = 0;
  for (const auto& [key, tensor] : model.tensors) parameters += tensor.elements();
  std::string text = fmt::format("file              {} ({})\nname              {}\nfamily            {}\n", model.path,
                                 human_bytes(model.file_bytes), config.name, family_name(config.family));
  text += fmt::format(
      "parameters        {}\nshape             {} layers, {} wide, {} query / {} key-value heads of {}, "
      "MLP {}, vocabulary {}\n",
      with_commas(parameters), config.layers, config.hidden, config.heads, config.kv_heads, config.head_dim,
      config.feed_forward, with_commas(config.vocabulary));
  text += fmt::format("trained window    {} tokens, RoPE base {:g}\n", with_commas(config.context_length),
                      config.rope_theta);
  if (local > 0)
    text += fmt::format("local layers      {} of {}, window {}, RoPE base {:g}\n", local, config.layers,
                        config.sliding_window, config.rope_theta_local);
  text += fmt::format("file's scaling    {}", config.scaling.type);
  text += config.scaling.type == "none" ? "\n" : fmt::format(" × {:g}\n", config.scaling.factor);
  for (const auto& [type, sum] : tensor_types(model))
    text += fmt::format("tensors           {:<6} {:>5}  {}\n", type, sum.first, human_bytes(sum.second));
  text += fmt::format("asked through     {}\n",
                      model.tokenizer.chat_template.empty() ? "plain continuation (base model)" : "its chat template");
  text += fmt::format("evidence heads    {}\n", heads ? fmt::format("{} ({})", describe_heads(*heads), heads->origin)
                                                      : "not known (`tome calibrate heads` finds them)");
  text += fmt::format("fingerprint       {}\n", model.fingerprint);
  return text;
}

Json model_json(const ModelFile& model, const std::optional<EvidenceHeads>& heads) {
  const ModelConfig& config = model.config;
  Json types = Json::object();
  for (const auto& [type, sum] : tensor_types(model)) types[type] = {{"count", sum.first}, {"bytes", sum.second}};
  Json head_list = Json::array();
  if (heads)
    for (const HeadId& head : heads->heads)
      head_list.push_back({{"layer", head.layer}, {"head", head.head}, {"weight", head.weight}});
  return {{"path", model.path},
          {"bytes", model.file_bytes},
          {"name", config.name},
          {"family", family_name(config.family)},
          {"layers", config.layers},
          {"hidden", config.hidden},
          {"heads", config.heads},
          {"kv_heads", config.kv_heads},
          {"head_dim", config.head_dim},
          {"feed_forward", config.feed_forward},
          {"vocabulary", config.vocabulary},
          {"context_length", config.context_length},
          {"rope_theta", config.rope_theta},
          {"sliding_window", config.sliding_window},
          {"scaling", config.scaling.type},
          {"tensor_types", std::move(types)},
          {"chat_template", !model.tokenizer.chat_template.empty()},
          {"evidence_heads", std::move(head_list)},
          {"fingerprint", model.fingerprint}};
}

Status run_info(const InfoFlags& flags) {
  if (flags.peak) return print_peak(flags.json);
  if (flags.kernels) return print(flags.json ? json_text(kernels_json()) : kernels_text());
  TOME_ASSIGN(const std::string path, resolve_model(flags.model));
  TOME_ASSIGN(const auto model, open_model_file(path));
  if (flags.show_positions || !flags.target.empty()) {
    TOME_ASSIGN(const EffectivePositions positions, effective_positions(model->config, flags));
    return print(flags.json ? json_text(positions_json(model->config, positions))
                            : to_text(describe(positions.plan, model->config, positions.target)));
  }
  TOME_ASSIGN(const auto heads, find_evidence_heads(*model));
  if (flags.json) return print(json_text(model_json(*model, heads)));
  std::string text = model_text(*model, heads);
  if (flags.metadata)
    for (const auto& [key, value] : model->metadata)
      text += fmt::format("{} = {}\n", key, one_line(printable(value), 120));
  return print(text);
}

}  // namespace

Command add_info(CLI::App& program) {
  const auto flags = std::make_shared<InfoFlags>();
  CLI::App* app = program.add_subcommand("info", "what a model holds, which kernels and positions it gets");
  add_model_flag(*app, flags->model);
  app->add_flag("--kernels", flags->kernels, "the instruction set and the kernels that run");
  app->add_flag("--peak", flags->peak, "what the machine can do at most: fp32, bf16, int8 and reading memory");
  app->add_flag("--positions", flags->show_positions, "the effective position table, and which setting won");
  app->add_option("--target", flags->target, "with --positions: for so many tokens (128k)");
  add_position_flags(*app, flags->positions);
  app->add_flag("--metadata", flags->metadata, "every key of the file too");
  app->add_flag("--json", flags->json, "the same as JSON");
  app->footer("Example:\n  tome info -m gemma3-270m\n  tome info --positions --target 128k\n  tome info --kernels");
  return {app, [flags] { return run_info(*flags); }};
}

}  // namespace tome::cli
