#pragma once
// The plain-loop twins of kernels/kernel_table.h: what each kernel means, with no instruction set in mind.
#include "kernels/kernel_table.h"

namespace tome::kernels::reference {

void panel_product_f32(const PanelProduct<float>& product);
void panel_product_bf16(const PanelProduct<std::uint16_t>& product);
void softmax_tile_f32(const SoftmaxTile& tile);
void attention_step_bf16(const AttentionStep& step);
void attention_step_int8(const AttentionStep& step);
void quantize_queries(const std::uint16_t* queries, int rows, int dims, std::int8_t* codes, float* scales,
                      std::int32_t* offsets);
void attention_step_q8(const AttentionStep& step);
void attention_step_f16(const AttentionStep& step);
void pack_panel_f32(DType type, const std::byte* rows, std::size_t row_stride, int row_count, int k, float* panel);
void pack_panel_bf16(DType type, const std::byte* rows, std::size_t row_stride, int row_count, int k,
                     std::uint16_t* panel);
void input_codes(const float* x, int k, std::int16_t* codes, float* scales);
void pack_panel_codes(DType type, const std::byte* rows, std::size_t row_stride, int row_count, int k,
                      std::byte* panel);
void panel_product_codes(const CodeProduct& product);
void row_dot(const RowDot& dot);
void code_input(const float* x, int k, int first, int count, std::byte* coded);
void interleaved_dots(const InterleavedDots& dots);
void pack_interleaved_bf16(DType type, const std::byte* groups, int group_count, int k, std::uint16_t* panel);
void dequantize_row(DType type, const std::byte* row, std::uint64_t count, float* values);
void rms_norm(const float* x, const float* weight, float epsilon, int count, float* y);
void gated_silu(const float* gate, const float* up, int count, float* y);
void gated_gelu_tanh(const float* gate, const float* up, int count, float* y);
void to_bf16(const float* x, std::size_t count, std::uint16_t* y);
void f16_to_bf16(const std::uint16_t* x, std::size_t count, std::uint16_t* y);
void unpack_q8_keys(const std::byte* keys, int dims, std::uint16_t* panel);
void unpack_q8_values(const std::byte* values, std::uint16_t* panel);
void unpack_q4_keys(const std::byte* keys, int dims, std::uint16_t* panel);
void unpack_q4_values(const std::byte* values, std::uint16_t* panel);
void rotate_halves(float* x, const float* cosine, const float* sine, int half);

}  // namespace tome::kernels::reference
