#pragma once
// Which tensors an encoder has, and of what shape. Pure functions, any thread.
#include <cstdint>
#include <vector>

#include "formats/encoder_file.h"

namespace tome {

enum class EncoderPart { body, pooler, head };

struct EncoderNeed {
  EncoderRole role;
  int layer;  ///< −1: not of a layer
  std::vector<std::uint64_t> shape;
  EncoderPart part = EncoderPart::body;
};

/// Everything that an encoder with this (checked) configuration has, with both optional parts.
std::vector<EncoderNeed> encoder_layout(const EncoderConfig& config);

}  // namespace tome
