#include "kernels/matmul.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "base/near_lines.h"
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
constexpr std::uint64_t kLongRun = 2 << 20;  ///< bytes

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

/// Neighbouring rows of one weight, and of its gate.
struct Task {
  const MatmulWeight* weight;
  int first_row, row_count;
};

/// The weights of a group one after the other, `step` rows a task.
class Tasks {
 public:
  Tasks(std::span<const MatmulWeight> group, int step) : group_(group), step_(step) {
    CHECK(group.size() <= std::size(ends_));
    int count = 0;
    for (std::size_t i = 0; i < group.size(); ++i)
      ends_[i] = count += (static_cast<int>(group[i].weight->rows()) + step - 1) / step;
  }
  int count() const { return group_.empty() ? 0 : ends_[group_.size() - 1]; }
  Task operator[](std::int64_t index) const { return neighbours(index, index + 1); }
  /// Those of [first, end) that are of the first's weight, as one.
  Task neighbours(std::int64_t first, std::int64_t end) const {
    std::size_t at = 0;
    for (; first >= ends_[at]; ++at) {
    }
    const std::int64_t begin = at == 0 ? 0 : ends_[at - 1];
    const int first_row = static_cast<int>(first - begin) * step_;
    const std::int64_t end_row = (std::min<std::int64_t>(end, ends_[at]) - begin) * step_;
    const auto rows = static_cast<std::int64_t>(group_[at].weight->rows());
    return {&group_[at], first_row, static_cast<int>(std::min(end_row, rows)) - first_row};
  }

 private:
  std::span<const MatmulWeight> group_;
  int step_, ends_[4];
};

template <class Work>
void for_each_matrix(std::span<const MatmulWeight> group, const Work& work) {
  for (const MatmulWeight& weight : group) {
    if (weight.gate != nullptr) work(*weight.gate);
    work(*weight.weight);
  }
}

/// Rows of a task of the few-rows form.
int few_rows_step(std::span<const MatmulWeight> group) {
  int rows = 0, unit = kInterleavedRows;
  for (const MatmulWeight& weight : group) {
    rows += static_cast<int>(weight.weight->rows());
    if (weight.coded != nullptr) unit = kCodeBlock;
  }
  const int share = rows / (kTasksPerThread * thread_count());
  return std::max(kLeastRowsPerTask, (share + unit - 1) / unit * unit);
}

/// From products to outputs: gates, and codes what is wanted in codes.
class Finish {
 public:
  Finish(std::span<const MatmulWeight> group, int input_rows, int step, MatmulScratch& scratch)
      : input_rows_(input_rows) {
    const bool gated = std::any_of(group.begin(), group.end(), [](const MatmulWeight& w) { return w.gate != nullptr; });
    if (!gated) return;
    each_ = static_cast<std::size_t>(input_rows) * static_cast<std::size_t>(step);
    constexpr std::size_t apart = kBytesApart / sizeof(float);
    each_ = (each_ + apart - 1) / apart * apart;
    scratch.to_gate.reserve(each_ * static_cast<std::size_t>(thread_count()));
    values_ = scratch.to_gate.data();
  }

  /// products(task, matrix, out, stride, after) makes the task's rows of one matrix; after: what is read next, if it is
  /// another matrix.
  template <class Products>
  void take(const Task& task, int thread, const Products& products) const {
    const MatmulWeight& w = *task.weight;
    if (w.gate == nullptr)
      products(task, *w.weight, w.output + task.first_row, w.output_stride, nullptr);
    else
      gate(task, thread, products);
    if (w.coded == nullptr) return;
    const auto outputs = static_cast<int>(w.weight->rows());
    for (int row = 0; row < input_rows_; ++row)
      kernels().code_input(w.output + static_cast<std::size_t>(row) * w.output_stride, outputs, task.first_row,
                           task.row_count, w.coded + static_cast<std::size_t>(row) * coded_input_bytes(outputs));
  }

 private:
  template <class Products>
  void gate(const Task& task, int thread, const Products& products) const {
    const MatmulWeight& w = *task.weight;
    float* out = w.output + task.first_row;
    float* values = values_ + each_ * static_cast<std::size_t>(thread);
    const auto first = static_cast<std::uint64_t>(task.first_row), count = static_cast<std::uint64_t>(task.row_count);
    products(task, *w.gate, out, w.output_stride, w.weight->row(first));
    products(task, *w.weight, values, count, first + count < w.gate->rows() ? w.gate->row(first + count) : nullptr);
    for (int row = 0; row < input_rows_; ++row, out += w.output_stride, values += count)
      w.gated(out, values, task.row_count, out);
  }

  int input_rows_;
  std::size_t each_ = 0;     ///< of a thread's
  float* values_ = nullptr;  ///< [thread]: what is to be gated
};

int asked_ahead(const AskedAhead& ahead, DType type, std::uint64_t run_bytes) {
  if (type == DType::q8_0) return ahead.of_q8_0;
  if (type == DType::q6_k) return ahead.in_short_runs;  // three streams: memory's own looking ahead never finds its way
  return run_bytes < kLongRun ? ahead.in_short_runs : ahead.in_long_runs;
}

void few_rows(const MatmulInput& input, std::span<const MatmulWeight> group, const KernelTable& table,
              MatmulScratch& scratch) {
  std::uint64_t bytes = 0;
  bool interleaved = false;
  for_each_matrix(group, [&](const TensorView& matrix) {
    bytes += matrix.bytes();
    interleaved = interleaved || matrix.interleaved;
  });
  interleaved = interleaved && table.interleaved_dots != nullptr;
  const auto columns = static_cast<std::size_t>(input.columns);
  const std::byte* coded = input.coded;
  if (interleaved && coded == nullptr) {
    const std::size_t each = coded_input_bytes(input.columns);
    scratch.coded_inputs.reserve(each * static_cast<std::size_t>(input.rows));
    for (std::size_t row = 0; row < static_cast<std::size_t>(input.rows); ++row)
      table.code_input(input.values + row * columns, input.columns, 0, input.columns,
                       scratch.coded_inputs.data() + row * each);
    coded = scratch.coded_inputs.data();
  }
  const auto multiply = [&](const Task& task, const TensorView& weight, float* out, std::size_t out_stride,
                            const std::byte* after) {
    const auto first = static_cast<std::uint64_t>(task.first_row), count = static_cast<std::uint64_t>(task.row_count);
    const int ahead = asked_ahead(table.asked_ahead, weight.type, bytes);
    if (interleaved && weight.interleaved) {
      table.interleaved_dots({.type = weight.type,
                              .groups = weight.row(first),
                              .group_count = task.row_count / kInterleavedRows,
                              .k = input.columns,
                              .inputs = coded,
                              .vectors = input.rows,
                              .out = out,
                              .out_stride = out_stride,
                              .asked_ahead = ahead,
                              .after = after});
      return;
    }
    std::vector<std::byte> apart;
    table.row_dot({.type = weight.type,
                   .rows = rows_apart(weight, first, count, apart),
                   .row_stride = row_bytes(weight.type, columns),
                   .row_count = task.row_count,
                   .k = input.columns,
                   .x = input.values,
                   .x_stride = columns,
                   .vectors = input.rows,
                   .out = out,
                   .out_stride = out_stride,
                   .asked_ahead = ahead});
  };
  const int step = few_rows_step(group);
  const Tasks tasks(group, step);
  const Finish finish(group, input.rows, step, scratch);
  parallel_for(
      tasks.count(), [&](std::int64_t index, int thread) { finish.take(tasks[index], thread, multiply); },
      TaskOrder::runs);
}

/// pack(weight, first row, rows, panel) makes a panel of 64 weight rows, product(panel, first input row, rows, c,
/// stride) multiplies it with inputs.
template <class Pack, class Product>
void many_rows(const MatmulInput& input, std::span<const MatmulWeight> group, MatmulScratch& scratch,
               std::size_t panel_bytes, const Pack& pack, const Product& product) {
  panel_bytes = (panel_bytes + 63) / 64 * 64;
  scratch.panels.reserve(panel_bytes * static_cast<std::size_t>(thread_count()));
  const Tasks tasks(group, kPanelColumns);
  const Finish finish(group, input.rows, kPanelColumns, scratch);
  parallel_for(tasks.count(), [&](std::int64_t index, int thread) {
    std::byte* panel = scratch.panels.data() + panel_bytes * static_cast<std::size_t>(thread);
    const auto multiply = [&](const Task& task, const TensorView& weight, float* out, std::size_t out_stride,
                              const std::byte*) {
      pack(weight, task.first_row, task.row_count, panel);
      if (task.row_count == kPanelColumns) {
        product(panel, 0, input.rows, out, out_stride);
        return;
      }
      alignas(64) float narrow[6 * kPanelColumns];  // the last panel of a matrix whose rows are no multiple of 64
      for (int row = 0; row < input.rows; row += 6) {
        const int rows = std::min(6, input.rows - row);
        product(panel, row, rows, narrow, kPanelColumns);
        for (int i = 0; i < rows; ++i)
          std::copy_n(narrow + i * kPanelColumns, task.row_count, out + static_cast<std::size_t>(row + i) * out_stride);
      }
    };
    finish.take(tasks[index], thread, multiply);
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

bool take_codes(const TensorView& weight, int rows, ProductPrecision precision) {
  return precision == ProductPrecision::native && rows <= kFewRows && weight.interleaved &&
         kernels().interleaved_dots != nullptr;
}

void expect_weights(std::span<const MatmulWeight> group, int rows) {
  if (rows > kFewRows) return;
  const int step = few_rows_step(group);
  const Tasks tasks(group, step);
  for (int thread = 0; thread < thread_count(); ++thread) {
    std::size_t left = kExpectedBytes;
    const auto expect = [&](const TensorView& matrix, const Task& task) {
      const std::size_t bytes =
          std::min(left, row_bytes(matrix.type, matrix.columns()) * static_cast<std::uint64_t>(task.row_count));
      expect_reads(thread, matrix.row(static_cast<std::uint64_t>(task.first_row)), bytes);
      left -= bytes;
    };
    const std::int64_t end = first_of_run(thread + 1, tasks.count());
    std::int64_t index = first_of_run(thread, tasks.count());
    for (int reads = 0; index < end && left > 0 && reads < kMostReads; ++reads) {
      const Task task = tasks[index];
      if (task.weight->gate != nullptr) {  // they take turns
        expect(*task.weight->gate, task);
        expect(*task.weight->weight, task);
        ++reads;
        ++index;
        continue;
      }
      const Task all = tasks.neighbours(index, end);
      expect(*all.weight->weight, all);
      index += (all.row_count + step - 1) / step;
    }
  }
}

void matmul(const MatmulInput& input, std::span<const MatmulWeight> group, ProductPrecision precision,
            MatmulScratch& scratch) {
  const KernelTable& table = kernels();
  for (const MatmulWeight& weight : group) {
    CHECK(weight.gate == nullptr || (weight.gated != nullptr && weight.gate->rows() == weight.weight->rows()));
    CHECK(weight.coded == nullptr || (table.code_input != nullptr && weight.weight->rows() % kCodeBlock == 0));
  }
  for_each_matrix(group, [&](const TensorView& matrix) {
    CHECK(matrix.columns() == static_cast<std::uint64_t>(input.columns));
    report_slow_type(matrix.type, input.columns, table);
  });
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
