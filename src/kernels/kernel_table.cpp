#include "kernels/kernel_table.h"

#include "base/check.h"
#include "kernels/reference/reference_kernels.h"
#include "kernels/simd/simd_tables.h"

namespace tome::kernels {
namespace {

KernelTable reference_table() {
  return {.isa = Isa::scalar,
          .bf16_products = false,
          .code_products = false,
          .int8_scores = false,
          .panel_product_f32 = reference::panel_product_f32,
          .panel_product_bf16 = reference::panel_product_bf16,
          .softmax_tile_f32 = reference::softmax_tile_f32,
          .attention_step_bf16 = reference::attention_step_bf16,
          .attention_step_int8 = reference::attention_step_int8,
          .quantize_queries = reference::quantize_queries,
          .attention_step_q8 = nullptr,
          .attention_step_f16 = nullptr,
          .pack_panel_f32 = reference::pack_panel_f32,
          .pack_panel_bf16 = reference::pack_panel_bf16,
          .input_codes = reference::input_codes,
          .pack_panel_codes = reference::pack_panel_codes,
          .panel_product_codes = reference::panel_product_codes,
          .row_dot = reference::row_dot,
          .code_input = nullptr,
          .interleaved_dots = nullptr,
          .pack_interleaved_bf16 = nullptr,
          .dequantize_row = reference::dequantize_row,
          .rms_norm = reference::rms_norm,
          .gated_silu = reference::gated_silu,
          .gated_gelu_tanh = reference::gated_gelu_tanh,
          .to_bf16 = reference::to_bf16,
          .f16_to_bf16 = reference::f16_to_bf16,
          .unpack_q8_keys = reference::unpack_q8_keys,
          .unpack_q8_values = reference::unpack_q8_values,
          .unpack_q4_keys = reference::unpack_q4_keys,
          .unpack_q4_values = reference::unpack_q4_values,
          .rotate_halves = reference::rotate_halves,
          .burn_f32 = nullptr,
          .burn_bf16 = nullptr,
          .burn_int8 = nullptr};
}

}  // namespace

const KernelTable& kernel_table(Isa isa) {
  static const KernelTable scalar = reference_table();
#if defined(__x86_64__)
  // A set's table is filled by code of that set: only where the machine has it.
  static const KernelTable avx2 = best_isa() >= Isa::avx2 ? avx2_table(scalar) : scalar;
  static const KernelTable avx512 = best_isa() >= Isa::avx512 ? avx512_table(avx2) : avx2;
  static const KernelTable avx512bf16 = best_isa() < Isa::avx512bf16 ? avx512
                                        : asks_second_cache()        ? with_far_requests(avx512bf16_table(avx512))
                                                                     : avx512bf16_table(avx512);
  switch (isa) {
    case Isa::scalar:
      return scalar;
    case Isa::avx2:
      return avx2;
    case Isa::avx512:
      return avx512;
    case Isa::avx512bf16:
      return avx512bf16;
  }
#endif
  return scalar;
}

const KernelTable& kernels() { return kernel_table(active_isa()); }

std::vector<std::pair<std::string, std::string>> kernel_report() {
  const KernelTable& now = kernels();
  const auto first_with = [&](auto member) {
    for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512, Isa::avx512bf16})
      if (isa <= now.isa && kernel_table(isa).*member == now.*member) return std::string(isa_name(isa));
    return std::string("none");
  };
  return {
      {"instruction set", std::string(isa_name(now.isa))},
      {"matrix products", now.code_products   ? "16-bit codes"
                          : now.bf16_products ? "bf16 panels"
                                              : "f32 panels"},
      {"panel_product_f32", first_with(&KernelTable::panel_product_f32)},
      {"panel_product_bf16", first_with(&KernelTable::panel_product_bf16)},
      {"softmax_tile_f32", first_with(&KernelTable::softmax_tile_f32)},
      {"asked-for lines go to",
       now.isa == Isa::avx512bf16 && asks_second_cache() ? "the second cache" : "the first cache"},
      {"attention_step_bf16", first_with(&KernelTable::attention_step_bf16)},
      {"attention_step_int8", first_with(&KernelTable::attention_step_int8)},
      {"quantize_queries", first_with(&KernelTable::quantize_queries)},
      {"attention_step_q8", now.attention_step_q8 == nullptr ? "none" : first_with(&KernelTable::attention_step_q8)},
      {"attention_step_f16", now.attention_step_f16 == nullptr ? "none" : first_with(&KernelTable::attention_step_f16)},
      {"pack_panel_f32", first_with(&KernelTable::pack_panel_f32)},
      {"pack_panel_bf16", first_with(&KernelTable::pack_panel_bf16)},
      {"input_codes", first_with(&KernelTable::input_codes)},
      {"pack_panel_codes", first_with(&KernelTable::pack_panel_codes)},
      {"panel_product_codes", first_with(&KernelTable::panel_product_codes)},
      {"row_dot", first_with(&KernelTable::row_dot)},
      {"interleaved_dots", now.interleaved_dots == nullptr ? "none" : first_with(&KernelTable::interleaved_dots)},
      {"dequantize_row", first_with(&KernelTable::dequantize_row)},
      {"rms_norm", first_with(&KernelTable::rms_norm)},
      {"gated_silu", first_with(&KernelTable::gated_silu)},
      {"gated_gelu_tanh", first_with(&KernelTable::gated_gelu_tanh)},
      {"to_bf16", first_with(&KernelTable::to_bf16)},
      {"f16_to_bf16", first_with(&KernelTable::f16_to_bf16)},
      {"unpack_q8_keys", first_with(&KernelTable::unpack_q8_keys)},
      {"unpack_q8_values", first_with(&KernelTable::unpack_q8_values)},
      {"unpack_q4_keys", first_with(&KernelTable::unpack_q4_keys)},
      {"unpack_q4_values", first_with(&KernelTable::unpack_q4_values)},
      {"rotate_halves", first_with(&KernelTable::rotate_halves)}};
}

}  // namespace tome::kernels
