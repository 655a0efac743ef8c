#pragma once
// One team of threads for the whole process. Work is split into numbered tasks whose results do not depend on which
// thread ran them: that is what makes logits bitwise the same for any thread count. Not re-entrant: a task must not
// start another team run. A helper that the system does not let run delays nothing but the task it holds: the others
// take the rest, and nobody waits for it to check in.
#include <cstddef>
#include <cstdint>
#include <functional>

namespace tome {

/// Threads used from now on; 0 picks the machine's count. Call it outside parallel runs.
void set_thread_count(int count);
int thread_count();

/// Whose tasks are whose at first: threads take turns (the first tasks are begun first, the last are left to whoever is
/// free), or each has a run of neighbours (what lies side by side is read by one thread). Whoever has none left takes
/// the last of another's.
enum class TaskOrder { turns, runs };

/// Runs task(index, thread) for index in [0, count), count < 2^20, thread in [0, thread_count()).
void parallel_for(std::int64_t count, const std::function<void(std::int64_t index, int thread)>& task,
                  TaskOrder order = TaskOrder::turns);

/// The first of `count` tasks that TaskOrder::runs gives to `thread`, all of them to begin with (thread_count():
/// count).
std::int64_t first_of_run(int thread, std::int64_t count);

/// What thread `thread` will read first in the run after the next: it asks for these bytes when it has no tasks of the
/// next run left, while it waits for others and for work. Up to kMostReads calls a thread add up, in their order, more
/// are let go. A hint for that run alone, which changes no result; memory that no longer stands there does no harm.
/// Runs of one task, which this thread does by itself, are no runs here. Call it outside parallel runs.
inline constexpr int kMostReads = 3;
void expect_reads(int thread, const std::byte* first, std::size_t bytes);

}  // namespace tome
