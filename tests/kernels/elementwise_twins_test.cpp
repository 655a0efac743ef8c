// Norms, activations and rotations, against their plain-loop twins: lengths × misalignments × instruction sets.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/reference/reference_kernels.h"
#include "kernels/twins.h"

namespace tome::kernels {
namespace {

TEST(ElementwiseTwins, norms_activations_and_rotations_agree_at_every_length_and_misalignment) {
  Rng rng(6);
  for (const Isa isa : sets()) {
    const KernelTable& table = kernel_table(isa);
    for (int count = 1; count <= 67; ++count) {
      for (const std::size_t offset : {0u, 1u, 5u}) {
        const auto n = static_cast<std::size_t>(count);
        Offset<float> x(2 * n, offset), w(n, offset), got(2 * n, offset), want(2 * n, offset);
        fill(rng, x.data, 2 * n);
        fill(rng, w.data, n);
        for (std::size_t i = 0; i < n; ++i) x.data[i] *= 8.0f;
        const auto same = [&](std::size_t values, double tolerance, const char* what) {
          for (std::size_t i = 0; i < values; ++i)
            ASSERT_NEAR(got.data[i], want.data[i], tolerance * (1 + std::fabs(want.data[i])))
                << what << " " << isa_name(isa) << " count " << count;
        };
        table.rms_norm(x.data, w.data, 1e-5f, count, got.data);
        reference::rms_norm(x.data, w.data, 1e-5f, count, want.data);
        same(n, 2e-6, "rms_norm");
        table.gated_silu(x.data, w.data, count, got.data);
        reference::gated_silu(x.data, w.data, count, want.data);
        same(n, 2e-6, "gated_silu");
        table.gated_gelu_tanh(x.data, w.data, count, got.data);
        reference::gated_gelu_tanh(x.data, w.data, count, want.data);
        same(n, 4e-6, "gated_gelu_tanh");
        std::copy_n(x.data, 2 * n, got.data);
        std::copy_n(x.data, 2 * n, want.data);
        table.rotate_halves(got.data, w.data, w.data, count);
        reference::rotate_halves(want.data, w.data, w.data, count);
        same(2 * n, 2e-6, "rotate_halves");
        std::vector<std::uint16_t> half(n), half2(n);
        table.to_bf16(x.data, n, half.data());
        reference::to_bf16(x.data, n, half2.data());
        ASSERT_EQ(half, half2);
      }
    }
  }
}

TEST(ElementwiseTwins, activations_stay_finite_at_extreme_gates) {
  for (const Isa isa : sets()) {
    std::vector<float> gate(32, 3000.0f), up(32, 1.0f), out(32);
    std::fill_n(gate.begin(), 16, -3000.0f);
    kernel_table(isa).gated_silu(gate.data(), up.data(), 32, out.data());
    EXPECT_NEAR(out[0], 0.0f, 1e-6);
    EXPECT_NEAR(out[31], 3000.0f, 1e-2);
    kernel_table(isa).gated_gelu_tanh(gate.data(), up.data(), 32, out.data());
    EXPECT_NEAR(out[0], 0.0f, 1e-6);
    EXPECT_NEAR(out[31], 3000.0f, 1e-2);
  }
}

}  // namespace
}  // namespace tome::kernels
