#include "kernels/matmul.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "base/thread_pool.h"
#include "tensor/interleaved_rows.h"

namespace tome::kernels {
namespace {

/// Up to this many rows a product is bound by reading the weights.
constexpr int kFewRows = 8;
/// Weight rows of one task of the few-rows form: long runs keep the memory's streams, about eight tasks a thread leave
/// room for a thread that is held up.
constexpr int kLeastRowsPerTask = 32;
constexpr int kTasksPerThread = 8;
/// Runs that read less are over before the memory's own looking ahead has found its way: they ask far ahead on any
/// machine (Zen 4, of 207 to 550 KB: 2.5 µs a run).
constexpr std::uint64_t kLongRun = 2 << 20;

/// What a thread asks for of the next product while it waits: a wait takes some microseconds.
constexpr std::size_t kExpectedBytes = std::size_t{128} << 10;

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

int tasks_of(const TensorView& weight, int step) {
  return static_cast<int>((weight.rows() + static_cast<std::uint64_t>(step) - 1) / static_cast<std::uint64_t>(step));
}

struct Task {
  const MatmulWeight* weight;
  int first_row, row_count;
};

/// Rows of a task of the few-rows form.
int few_rows_step(std::uint64_t rows) {
  const int share = static_cast<int>(rows) / (kTasksPerThread * thread_count());
  return std::max(kLeastRowsPerTask, (share + 15) / 16 * 16);
}

std::vector<Task> split(std::span<const MatmulWeight> group, int step) {
  std::vector<Task> tasks;
  for (const MatmulWeight& weight : group)
    for (int index = 0; index < tasks_of(*weight.weight, step); ++index)
      tasks.push_back({&weight, index * step, std::min(step, static_cast<int>(weight.weight->rows()) - index * step)});
  return tasks;
}

void few_rows(const MatmulInput& input, std::span<const MatmulWeight> group, const KernelTable& table,
              MatmulScratch& scratch) {
  std::uint64_t rows = 0, bytes = 0;
  bool interleaved = false;
  for (const MatmulWeight& weight : group) {
    rows += weight.weight->rows();
    bytes += weight.weight->bytes();
    interleaved = interleaved || weight.weight->interleaved;
  }
  interleaved = interleaved && table.interleaved_dots != nullptr;
  const auto columns = static_cast<std::size_t>(input.columns);
  if (interleaved) {
    const std::size_t each = coded_input_bytes(input.columns);
    scratch.coded_inputs.reserve(each * static_cast<std::size_t>(input.rows));
    for (std::size_t row = 0; row < static_cast<std::size_t>(input.rows); ++row)
      table.code_input(input.values + row * columns, input.columns, scratch.coded_inputs.data() + row * each);
  }
  const int asked_ahead = bytes < kLongRun ? kAskedAhead : table.asked_ahead;
  const std::vector<Task> tasks = split(group, few_rows_step(rows));
  parallel_for(
      static_cast<std::int64_t>(tasks.size()),
      [&](std::int64_t index, int) {
        const Task& task = tasks[static_cast<std::size_t>(index)];
        const TensorView& weight = *task.weight->weight;
        float* out = task.weight->output + task.first_row;
        if (interleaved && weight.interleaved) {
          table.interleaved_dots({.type = weight.type,
                                  .groups = weight.row(static_cast<std::uint64_t>(task.first_row)),
                                  .group_count = task.row_count / kInterleavedRows,
                                  .k = input.columns,
                                  .inputs = scratch.coded_inputs.data(),
                                  .vectors = input.rows,
                                  .out = out,
                                  .out_stride = task.weight->output_stride,
                                  .asked_ahead = asked_ahead});
          return;
        }
        std::vector<std::byte> apart;
        table.row_dot({.type = weight.type,
                       .rows = rows_apart(weight, static_cast<std::uint64_t>(task.first_row),
                                          static_cast<std::uint64_t>(task.row_count), apart),
                       .row_stride = row_bytes(weight.type, columns),
                       .row_count = task.row_count,
                       .k = input.columns,
                       .x = input.values,
                       .x_stride = columns,
                       .vectors = input.rows,
                       .out = out,
                       .out_stride = task.weight->output_stride,
                       .asked_ahead = asked_ahead});
      },
      TaskOrder::runs);
}

/// pack(weight, first row, rows, panel) makes a panel of 64 weight rows, product(panel, first input row, rows, c,
/// stride) multiplies it with inputs.
template <class Pack, class Product>
void many_rows(const MatmulInput& input, std::span<const MatmulWeight> group, MatmulScratch& scratch,
               std::size_t panel_bytes, const Pack& pack, const Product& product) {
  panel_bytes = (panel_bytes + 63) / 64 * 64;
  scratch.panels.reserve(panel_bytes * static_cast<std::size_t>(thread_count()));
  const std::vector<Task> tasks = split(group, kPanelColumns);
  parallel_for(static_cast<std::int64_t>(tasks.size()), [&](std::int64_t index, int thread) {
    const Task& task = tasks[static_cast<std::size_t>(index)];
    std::byte* panel = scratch.panels.data() + panel_bytes * static_cast<std::size_t>(thread);
    pack(*task.weight->weight, task.first_row, task.row_count, panel);
    float* output = task.weight->output + task.first_row;
    if (task.row_count == kPanelColumns) {
      product(panel, 0, input.rows, output, task.weight->output_stride);
      return;
    }
    alignas(64) float narrow[6 * kPanelColumns];  // the last panel of a matrix whose rows are no multiple of 64
    for (int row = 0; row < input.rows; row += 6) {
      const int rows = std::min(6, input.rows - row);
      product(panel, row, rows, narrow, kPanelColumns);
      for (int i = 0; i < rows; ++i)
        std::copy_n(narrow + i * kPanelColumns, task.row_count,
                    output + static_cast<std::size_t>(row + i) * task.weight->output_stride);
    }
  });
}

/// On panels of fp32 or bf16.
template <class Element, class Product, class Pack>
void many_rows_of(const MatmulInput& input, const Element* values, std::span<const MatmulWeight> group,
                  MatmulScratch& scratch, Product product, Pack pack) {
  const auto columns = static_cast<std::size_t>(input.columns);
  const std::size_t padded = (columns + 1) / 2 * 2;
  many_rows(
      input, group, scratch, padded * kPanelColumns * sizeof(Element),
      [&](const TensorView& weight, int first_row, int row_count, std::byte* panel) {
        pack(weight, first_row, row_count, reinterpret_cast<Element*>(panel));
      },
      [&](const std::byte* panel, int first_row, int rows, float* c, std::size_t c_stride) {
        const auto* one = reinterpret_cast<const Element*>(panel);
        product({.a = values + static_cast<std::size_t>(first_row) * columns,
                 .a_stride = columns,
                 .panels = &one,
                 .panel_count = 1,
                 .k_each = input.columns,
                 .c = c,
                 .c_stride = c_stride,
                 .rows = rows,
                 .accumulate = Accumulate::no});
      });
}

/// On codes of 16 bits.
void many_rows_in_codes(const MatmulInput& input, std::span<const MatmulWeight> group, const KernelTable& table,
                        MatmulScratch& scratch) {
  const auto columns = static_cast<std::size_t>(input.columns), blocks = columns / kCodeBlock;
  scratch.input_codes.reserve(static_cast<std::size_t>(input.rows) * columns);
  scratch.input_scales.reserve(static_cast<std::size_t>(input.rows) * blocks);
  std::int16_t* codes = scratch.input_codes.data();
  float* scales = scratch.input_scales.data();
  constexpr std::size_t each = 16;
  const auto inputs = static_cast<std::size_t>(input.rows);
  parallel_for(static_cast<std::int64_t>((inputs + each - 1) / each), [&](std::int64_t index, int) {
    const std::size_t first = static_cast<std::size_t>(index) * each;
    for (std::size_t row = first; row < std::min(inputs, first + each); ++row)
      table.input_codes(input.values + row * columns, input.columns, codes + row * columns, scales + row * blocks);
  });
  many_rows(
      input, group, scratch, code_panel_bytes(input.columns),
      [&](const TensorView& weight, int first_row, int row_count, std::byte* panel) {
        std::vector<std::byte> apart;
        table.pack_panel_codes(
            weight.type,
            rows_apart(weight, static_cast<std::uint64_t>(first_row), static_cast<std::uint64_t>(row_count), apart),
            row_bytes(weight.type, columns), row_count, input.columns, panel);
      },
      [&](const std::byte* panel, int first_row, int rows, float* c, std::size_t c_stride) {
        const auto first = static_cast<std::size_t>(first_row);
        table.panel_product_codes({.a = codes + first * columns,
                                   .a_scales = scales + first * blocks,
                                   .panel = panel,
                                   .k = input.columns,
                                   .c = c,
                                   .c_stride = c_stride,
                                   .rows = rows});
      });
}

}  // namespace

void expect_weights(std::initializer_list<const TensorView*> group, int rows) {
  if (rows > kFewRows) return;
  std::uint64_t outputs = 0;
  for (const TensorView* weight : group) outputs += weight->rows();
  const int step = few_rows_step(outputs), threads = thread_count();
  int tasks = 0;
  for (const TensorView* weight : group) tasks += tasks_of(*weight, step);
  for (int thread = 0; thread < threads; ++thread) {
    int first = tasks * thread / threads;  // as TaskOrder::runs shares them out
    for (const TensorView* weight : group) {
      const int count = tasks_of(*weight, step);
      if (first < count) {
        const auto row = static_cast<std::uint64_t>(first * step);
        expect_reads(thread, weight->row(row),
                     std::min(kExpectedBytes, row_bytes(weight->type, weight->columns()) * (weight->rows() - row)));
        break;
      }
      first -= count;
    }
  }
}

void matmul(const MatmulInput& input, std::span<const MatmulWeight> group, ProductPrecision precision,
            MatmulScratch& scratch) {
  const KernelTable& table = kernels();
  for (const MatmulWeight& weight : group) {
    CHECK(weight.weight->columns() == static_cast<std::uint64_t>(input.columns));
    report_slow_type(weight.weight->type, input.columns, table);
  }
  const auto pack_f32 = [&](const TensorView& weight, int first_row, int row_count, float* panel) {
    std::vector<std::byte> apart;
    table.pack_panel_f32(
        weight.type,
        rows_apart(weight, static_cast<std::uint64_t>(first_row), static_cast<std::uint64_t>(row_count), apart),
        row_bytes(weight.type, weight.columns()), row_count, input.columns, panel);
  };
  if (precision == ProductPrecision::fp32) {  // one order of summation for any number of rows
    many_rows_of<float>(input, input.values, group, scratch, table.panel_product_f32, pack_f32);
    return;
  }
  if (input.rows <= kFewRows) {
    few_rows(input, group, table, scratch);
    return;
  }
  if (table.code_products && input.columns % kCodeBlock == 0) {
    many_rows_in_codes(input, group, table, scratch);
    return;
  }
  if (!table.bf16_products || input.columns % 2 != 0) {
    many_rows_of<float>(input, input.values, group, scratch, table.panel_product_f32, pack_f32);
    return;
  }
  const std::size_t count = static_cast<std::size_t>(input.rows) * static_cast<std::size_t>(input.columns);
  scratch.input_bf16.reserve(count);
  constexpr std::size_t block = 1 << 15;
  parallel_for(static_cast<std::int64_t>((count + block - 1) / block), [&](std::int64_t index, int) {
    const std::size_t start = static_cast<std::size_t>(index) * block;
    table.to_bf16(input.values + start, std::min(block, count - start), scratch.input_bf16.data() + start);
  });
  many_rows_of<std::uint16_t>(
      input, scratch.input_bf16.data(), group, scratch, table.panel_product_bf16,
      [&](const TensorView& weight, int first_row, int row_count, std::uint16_t* panel) {
        if (weight.interleaved && table.pack_interleaved_bf16 != nullptr)
          return table.pack_interleaved_bf16(weight.type, weight.row(static_cast<std::uint64_t>(first_row)),
                                             row_count / kInterleavedRows, input.columns, panel);
        std::vector<std::byte> apart;
        table.pack_panel_bf16(
            weight.type,
            rows_apart(weight, static_cast<std::uint64_t>(first_row), static_cast<std::uint64_t>(row_count), apart),
            row_bytes(weight.type, weight.columns()), row_count, input.columns, panel);
      });
}

}  // namespace tome::kernels
