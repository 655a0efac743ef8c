#include "kernels/reference/reference_kernels.h"

namespace tome::kernels::reference {
namespace {

float widen(float value) { return value; }
float widen(std::uint16_t bits) { return bf16_to_f32(bits); }

/// Element (k, column) of a panel: bf16 keeps pairs along k together.
std::size_t at(const float*, int k, int column) { return static_cast<std::size_t>(k * kPanelColumns + column); }
std::size_t at(const std::uint16_t*, int k, int column) {
  return static_cast<std::size_t>(((k / 2) * kPanelColumns + column) * 2 + k % 2);
}

template <class Element>
void panel_product(const PanelProduct<Element>& p) {
  for (int row = 0; row < p.rows; ++row) {
    for (int column = 0; column < kPanelColumns; ++column) {
      float* c = p.c + static_cast<std::size_t>(row) * p.c_stride + static_cast<std::size_t>(column);
      float total = p.accumulate == Accumulate::yes ? *c : 0.0f;
      for (int panel = 0; panel < p.panel_count; ++panel)
        for (int k = 0; k < p.k_each; ++k)
          total +=
              widen(p.a[static_cast<std::size_t>(row) * p.a_stride + static_cast<std::size_t>(panel * p.k_each + k)]) *
              widen(p.panels[panel][at(p.panels[panel], k, column)]);
      *c = total;
    }
  }
}

}  // namespace

void panel_product_f32(const PanelProduct<float>& product) { panel_product(product); }
void panel_product_bf16(const PanelProduct<std::uint16_t>& product) { panel_product(product); }

}  // namespace tome::kernels::reference
