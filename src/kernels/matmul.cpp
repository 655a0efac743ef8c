#include "kernels/matmul.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "base/thread_pool.h"

namespace tome::kernels {
namespace {

/// Up to this many rows a product is bound by reading the weights.
constexpr int kFewRows = 8;
/// Weight rows of one task of the few-rows form: long runs keep the memory's streams, about eight tasks a thread leave
/// room for a thread that is held up.
constexpr int kLeastRowsPerTask = 32;
constexpr int kTasksPerThread = 8;

void report_slow_type(DType type, int columns, const KernelTable& table) {
  const bool fast = type == DType::f32 || type == DType::bf16 || type == DType::f16 || type == DType::q8_0 ||
                    type == DType::q4_0 || type == DType::q4_1 || type == DType::q5_0 || type == DType::q5_1 ||
                    type == DType::q4_k || type == DType::q5_k || type == DType::q6_k;
  if (table.isa == Isa::scalar) return;
  if (!fast)
    report_fallback("weights of type " + std::string(dtype_name(type)),
                    "no vector unpacking yet, plain loops unpack them");
  if (fast && columns % 32 != 0)
    report_fallback("a matrix of " + std::to_string(columns) + " columns", "not a multiple of 32, plain loops read it");
}

int tasks_of(const MatmulWeight& weight, int step) {
  return static_cast<int>((weight.weight->rows() + static_cast<std::uint64_t>(step) - 1) /
                          static_cast<std::uint64_t>(step));
}

struct Task {
  const MatmulWeight* weight;
  int first_row, row_count;
};

std::vector<Task> split(std::span<const MatmulWeight> group, int step) {
  std::vector<Task> tasks;
  for (const MatmulWeight& weight : group)
    for (int index = 0; index < tasks_of(weight, step); ++index)
      tasks.push_back({&weight, index * step, std::min(step, static_cast<int>(weight.weight->rows()) - index * step)});
  return tasks;
}

void few_rows(const MatmulInput& input, std::span<const MatmulWeight> group, const KernelTable& table) {
  std::uint64_t rows = 0;
  for (const MatmulWeight& weight : group) rows += weight.weight->rows();
  const int share = static_cast<int>(rows) / (kTasksPerThread * thread_count());
  const std::vector<Task> tasks = split(group, std::max(kLeastRowsPerTask, (share + 15) / 16 * 16));
  parallel_for(static_cast<std::int64_t>(tasks.size()), [&](std::int64_t index, int) {
    const Task& task = tasks[static_cast<std::size_t>(index)];
    const TensorView& weight = *task.weight->weight;
    table.row_dot({.type = weight.type,
                   .rows = weight.row(static_cast<std::uint64_t>(task.first_row)),
                   .row_stride = row_bytes(weight.type, weight.columns()),
                   .row_count = task.row_count,
                   .k = input.columns,
                   .x = input.values,
                   .x_stride = static_cast<std::size_t>(input.columns),
                   .vectors = input.rows,
                   .out = task.weight->output + task.first_row,
                   .out_stride = task.weight->output_stride});
  });
}

template <class Element, class Product, class Pack>
void many_rows(const MatmulInput& input, const Element* values, std::span<const MatmulWeight> group,
               MatmulScratch& scratch, Product product, Pack pack) {
  const auto columns = static_cast<std::size_t>(input.columns);
  const int padded = (input.columns + 1) / 2 * 2;
  const std::size_t panel_bytes = static_cast<std::size_t>(padded) * kPanelColumns * sizeof(Element);
  scratch.panels.reserve(panel_bytes * static_cast<std::size_t>(thread_count()));
  const std::vector<Task> tasks = split(group, kPanelColumns);
  parallel_for(static_cast<std::int64_t>(tasks.size()), [&](std::int64_t index, int thread) {
    const Task& task = tasks[static_cast<std::size_t>(index)];
    const TensorView& weight = *task.weight->weight;
    auto* panel = reinterpret_cast<Element*>(scratch.panels.data() + panel_bytes * static_cast<std::size_t>(thread));
    const Element* panels[] = {panel};
    pack(weight.type, weight.row(static_cast<std::uint64_t>(task.first_row)), row_bytes(weight.type, columns),
         task.row_count, input.columns, panel);
    PanelProduct<Element> p{.a = values,
                            .a_stride = columns,
                            .panels = panels,
                            .panel_count = 1,
                            .k_each = input.columns,
                            .c = nullptr,
                            .c_stride = 0,
                            .rows = 0,
                            .accumulate = Accumulate::no};
    if (task.row_count == kPanelColumns) {
      p.c = task.weight->output + task.first_row;
      p.c_stride = task.weight->output_stride;
      p.rows = input.rows;
      product(p);
      return;
    }
    alignas(64) float narrow[6 * kPanelColumns];  // the last panel of a matrix whose rows are no multiple of 64
    for (int row = 0; row < input.rows; row += 6) {
      p.a = values + static_cast<std::size_t>(row) * columns;
      p.c = narrow;
      p.c_stride = kPanelColumns;
      p.rows = std::min(6, input.rows - row);
      product(p);
      for (int i = 0; i < p.rows; ++i)
        std::copy_n(
            narrow + i * kPanelColumns, task.row_count,
            task.weight->output + static_cast<std::size_t>(row + i) * task.weight->output_stride + task.first_row);
    }
  });
}

}  // namespace

void matmul(const MatmulInput& input, std::span<const MatmulWeight> group, ProductPrecision precision,
            MatmulScratch& scratch) {
  const KernelTable& table = kernels();
  for (const MatmulWeight& weight : group) {
    CHECK(weight.weight->columns() == static_cast<std::uint64_t>(input.columns));
    report_slow_type(weight.weight->type, input.columns, table);
  }
  if (precision == ProductPrecision::fp32) {  // one order of summation for any number of rows
    many_rows(input, input.values, group, scratch, table.panel_product_f32, table.pack_panel_f32);
    return;
  }
  if (input.rows <= kFewRows) {
    few_rows(input, group, table);
    return;
  }
  if (!table.bf16_products || input.columns % 2 != 0) {
    many_rows(input, input.values, group, scratch, table.panel_product_f32, table.pack_panel_f32);
    return;
  }
  const std::size_t count = static_cast<std::size_t>(input.rows) * static_cast<std::size_t>(input.columns);
  scratch.input_bf16.reserve(count);
  constexpr std::size_t block = 1 << 15;
  parallel_for(static_cast<std::int64_t>((count + block - 1) / block), [&](std::int64_t index, int) {
    const std::size_t start = static_cast<std::size_t>(index) * block;
    table.to_bf16(input.values + start, std::min(block, count - start), scratch.input_bf16.data() + start);
  });
  many_rows(input, scratch.input_bf16.data(), group, scratch, table.panel_product_bf16, table.pack_panel_bf16);
}

}  // namespace tome::kernels
