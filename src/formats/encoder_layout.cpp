#include "formats/encoder_layout.h"

namespace tome {
namespace {

class Layout {
 public:
  void matrix(EncoderRole weight, EncoderRole bias, std::uint64_t outputs, std::uint64_t inputs) {
    needs.push_back({weight, layer, {outputs, inputs}, part});
    needs.push_back({bias, layer, {outputs}, part});
  }
  void bare_matrix(EncoderRole weight, std::uint64_t outputs, std::uint64_t inputs) {
    needs.push_back({weight, layer, {outputs, inputs}, part});
  }
  void norm(EncoderRole weight, EncoderRole bias, std::uint64_t width) {
    needs.push_back({weight, layer, {width}, part});
    needs.push_back({bias, layer, {width}, part});
  }

  int layer = -1;
  EncoderPart part = EncoderPart::body;
  std::vector<EncoderNeed> needs;
};

void add_projection(Layout& layout, EncoderRole weight, EncoderRole bias, const EncoderConfig& config) {
  if (config.attention_biases)
    layout.matrix(weight, bias, config.hidden, config.hidden);
  else
    layout.bare_matrix(weight, config.hidden, config.hidden);
}

void add_layer(Layout& layout, const EncoderConfig& c) {
  add_projection(layout, EncoderRole::query, EncoderRole::query_bias, c);
  add_projection(layout, EncoderRole::key, EncoderRole::key_bias, c);
  add_projection(layout, EncoderRole::value, EncoderRole::value_bias, c);
  if (c.family == EncoderFamily::longformer) {
    add_projection(layout, EncoderRole::global_query, EncoderRole::global_query_bias, c);
    add_projection(layout, EncoderRole::global_key, EncoderRole::global_key_bias, c);
    add_projection(layout, EncoderRole::global_value, EncoderRole::global_value_bias, c);
  }
  layout.matrix(EncoderRole::attention_output, EncoderRole::attention_output_bias, c.hidden, c.hidden);
  layout.norm(EncoderRole::attention_norm, EncoderRole::attention_norm_bias, c.hidden);
  layout.matrix(EncoderRole::up, EncoderRole::up_bias, c.feed_forward, c.hidden);
  layout.matrix(EncoderRole::down, EncoderRole::down_bias, c.hidden, c.feed_forward);
  layout.norm(EncoderRole::output_norm, EncoderRole::output_norm_bias, c.hidden);
}

}  // namespace

std::vector<EncoderNeed> encoder_layout(const EncoderConfig& c) {
  Layout layout;
  layout.bare_matrix(EncoderRole::word_embedding, c.vocabulary, c.hidden);
  layout.bare_matrix(EncoderRole::position_embedding, c.positions, c.hidden);
  layout.bare_matrix(EncoderRole::type_embedding, c.token_types, c.hidden);
  layout.norm(EncoderRole::embedding_norm, EncoderRole::embedding_norm_bias, c.hidden);
  for (std::uint32_t layer = 0; layer < c.layers; ++layer) {
    layout.layer = static_cast<int>(layer);
    add_layer(layout, c);
  }
  layout.layer = -1;
  layout.part = EncoderPart::pooler;
  layout.matrix(EncoderRole::pooler, EncoderRole::pooler_bias, c.hidden, c.hidden);
  layout.part = EncoderPart::head;
  layout.matrix(EncoderRole::head, EncoderRole::head_bias, c.hidden, c.hidden);
  layout.norm(EncoderRole::head_norm, EncoderRole::head_norm_bias, c.hidden);
  if (!c.tied_embeddings) layout.bare_matrix(EncoderRole::head_output, c.vocabulary, c.hidden);
  layout.needs.push_back({EncoderRole::head_output_bias, -1, {c.vocabulary}, EncoderPart::head});
  return std::move(layout.needs);
}

}  // namespace tome
