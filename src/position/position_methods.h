#pragma once
// The registry of position methods: one readable list, best first. A builder turns (base, dims, L, s, options) into
// parts; position_plan.cpp does what all methods have in common: lengths, factors, temperature, divisors of the file,
// no-op checks.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "position/position_plan.h"

namespace tome {

struct MethodInputs {
  double base = 10000.0;
  std::uint32_t dims = 0;
  std::uint64_t trained = 0;  ///< L
  std::uint64_t target = 0;
  double factor = 1.0;  ///< s (f for dynamic NTK)
  const PositionOptions& options;
  const DeclaredScaling& declared;
  bool declared_method = false;  ///< the method is the one the file declares: its remaining settings apply
};

struct MethodResult {
  std::vector<PositionPart> parts;
  std::vector<std::string> notes;
};

struct PositionMethod {
  ScalingMethod method;
  std::string_view name;
  std::string_view summary;
  Result<MethodResult> (*build)(const MethodInputs&);
};

std::span<const PositionMethod> position_methods();
const PositionMethod& position_method(ScalingMethod method);

}  // namespace tome
