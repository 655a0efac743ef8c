#pragma once
// What `tome eval --list` says: what each suite asks, what it needs, and where its data comes from.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "evaluation/suite.h"

namespace tome {

struct SuiteFacts {
  Suite suite;
  std::string_view asks;        ///< in a line
  std::string_view needs;       ///< flags, files and their fields
  std::string_view from;        ///< where the data comes from, in words
  std::string_view repository;  ///< owner/name of a data set on a model hub; "" for none
};

/// In the order of `Suite`.
std::span<const SuiteFacts> suite_list();
/// The names that --task takes; none: the suite has one task.
std::vector<std::string> suite_tasks(Suite suite);
/// The names of the files that --data has to hold for these tasks (none: all); none for a suite that takes any name.
std::vector<std::string> suite_files(Suite suite, const std::vector<std::string>& tasks);

}  // namespace tome
