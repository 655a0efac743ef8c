#include "position/describe_positions.h"

#include <algorithm>
#include <numbers>

#include "position/rope.h"

namespace tome {
namespace {

std::string map_text(const PositionMap& map) {
  std::string text;
  switch (map.kind) {
    case PositionMap::Kind::identity:
      text = "p";
      break;
    case PositionMap::Kind::group:
      text = fmt::format("p / {} + {}", map.divide, map.add);
      break;
    case PositionMap::Kind::modulo:
      text = fmt::format("p mod {} + {}", map.period, map.add);
      break;
    case PositionMap::Kind::constant:
      text = fmt::format("{}", map.value);
      break;
  }
  return map.cap == 0 ? text : fmt::format("min({}, {})", text, map.cap);
}

std::string range_text(const KeyRange& range) {
  switch (range.kind) {
    case KeyRange::Kind::all:
      return "every key";
    case KeyRange::Kind::neighbours:
      return fmt::format("keys nearer than {}", range.window);
    case KeyRange::Kind::beyond:
      return fmt::format("keys {} or more away", range.window);
    case KeyRange::Kind::same_chunk:
      return fmt::format("keys of the same chunk of {}", range.chunk);
    case KeyRange::Kind::previous_chunk:
      return fmt::format("keys of the previous chunk of {}", range.chunk);
    case KeyRange::Kind::earlier_chunks:
      return fmt::format("keys of earlier chunks of {}", range.chunk);
  }
  return {};
}

}  // namespace

PositionDescription describe(const PositionPlan& plan, const ModelConfig& config, std::uint64_t target_length) {
  PositionDescription description;
  const auto fact = [&description](std::string name, std::string value) {
    description.facts.emplace_back(std::move(name), std::move(value));
  };
  const PositionTable& table = plan.parts.front().table;
  const double m = static_cast<double>(table.magnitude), scale = static_cast<double>(table.softmax_scale);
  fact("method", plan.method == ScalingMethod::none
                     ? std::string("none (as trained)")
                     : fmt::format("{} x{:.6g}", scaling_method_name(plan.method), plan.factor));
  fact("set by", plan.origin);
  fact("trained window", fmt::format("{} tokens, base {:.6g}, {} of {} dimensions rotated", config.context_length,
                                     config.rope_theta, config.rope_dims, config.head_dim));
  fact("target", fmt::format("{} tokens", target_length));
  fact("m", fmt::format("{:.8g} on cos and sin", m));
  fact("m^2", fmt::format("{:.6g}", m * m));
  fact("softmax scale", fmt::format("{:.6g}", scale));
  fact("logits", fmt::format("x {:.6g} (temperature {:.6g})", m * m * scale, 1.0 / (m * m * scale)));
  for (const PositionPart& part : plan.parts) {
    if (plan.parts.size() == 1) break;
    fact("part", fmt::format("{}: query at {}, key at {}", range_text(part.keys), map_text(part.query_map),
                             map_text(part.key_map)));
  }
  for (const std::string& note : plan.notes) {
    if (!note.starts_with("logits x ")) fact("note", note);  // said above
  }
  const auto local = std::ranges::count(config.local_layers, true);
  if (local > 0) {
    fact("sliding layers", fmt::format("{} of {} keep their own table (base {:.6g}, window {})", local, config.layers,
                                       config.rope_theta_local, config.sliding_window));
  }
  fact("fingerprint", plan.fingerprint());

  const std::vector<double> trained = rope_frequencies(config.rope_theta, config.rope_dims);
  for (std::size_t i = 0; i < table.inverse_frequencies.size(); ++i) {
    FrequencyRow row;
    row.pair = static_cast<std::uint32_t>(i);
    row.trained = trained[i];
    row.effective = static_cast<double>(table.inverse_frequencies[i]);
    row.divided_by = row.trained / row.effective;
    row.wavelength = 2.0 * std::numbers::pi / row.effective;
    row.turns = rotations(row.trained, static_cast<double>(config.context_length));
    description.rows.push_back(row);
  }
  return description;
}

std::string to_text(const PositionDescription& description, std::size_t max_rows) {
  std::string text;
  for (const auto& [name, value] : description.facts) text += fmt::format("{:<16}{}\n", name, value);
  text += fmt::format("\n{:>5} {:>13} {:>13} {:>10} {:>16} {:>14}\n", "pair", "trained", "effective", "divided by",
                      "tokens a turn", "trained turns");
  const std::size_t total = description.rows.size();
  const std::size_t shown = max_rows == 0 ? total : std::min(max_rows, total);
  for (std::size_t n = 0; n < shown; ++n) {
    const FrequencyRow& row = description.rows[shown < 2 ? 0 : n * (total - 1) / (shown - 1)];
    text += fmt::format("{:>5} {:>13.6e} {:>13.6e} {:>10.4f} {:>16.1f} {:>14.3f}\n", row.pair, row.trained,
                        row.effective, row.divided_by, row.wavelength, row.turns);
  }
  return text;
}

}  // namespace tome
