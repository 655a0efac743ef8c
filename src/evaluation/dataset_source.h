#pragma once
// Questions out of a benchmark's own files, task by task: what every dataset suite shares. A suite says how a record
// becomes questions and how they are put (dataset_sources.h lists the suites); this chooses, orders and renders them.
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "evaluation/prompt_frame.h"
#include "evaluation/prompt_template.h"
#include "evaluation/sample.h"
#include "formats/json_fields.h"

namespace tome {

/// A record that is not what its format says: left out and told in notices() (the runner's exit code says so), or the
/// end.
enum class BadRecords { skip, refuse };

struct DatasetQuestion {
  std::string context = {};                  ///< for {context}
  std::string context_file = {};             ///< or the file that holds it
  std::string cluster = {};                  ///< the document's name; "": a digest of the context
  TemplateValues values = {};                ///< for the other {names}
  std::optional<std::string> evidence = {};  ///< what stands for {context} under evidence_only
  Gold gold = {};
  std::optional<double> depth = {};
  double bits = 0;
  Json facts = Json::object();  ///< of the data, for the recipe: its own id, its length …
};

/// One record's questions. Errors: format, naming `where()` of the fields, the field, what was found and expected.
using QuestionReader = std::function<Result<std::vector<DatasetQuestion>>(const JsonFields& record)>;

struct DatasetTask {
  std::string name = {};       ///< the benchmark's own
  std::string scored_as = {};  ///< the scorer's name of it where that is another; "": the same
  std::string file = {};
  Wording wording = {};
  std::string wording_source = {};
  std::uint64_t max_new_tokens = 0;
  bool first_line_only = false;
  PromptFraming framing = PromptFraming::model;
  MiddleCut cut = MiddleCut::whole_limit;
  bool whole_records = false;  ///< --samples counts records, of which all questions are asked
  QuestionReader read = {};
};

/// Reads every record of every task once. samples: see SampleOptions; drawn by seed, kept in the file's order, those of
/// one document side by side. Errors: io; usage without tasks; format for a bad record (BadRecords::refuse), and for a
/// file without any good one.
Result<std::unique_ptr<SampleSource>> make_dataset_source(std::vector<DatasetTask> tasks, const SampleOptions& options,
                                                          BadRecords bad_records, std::vector<std::string> notices);

/// The same for a suite of one task, whose name is the task's; its wording is the file's or the one given here.
Result<std::unique_ptr<SampleSource>> make_single_task_source(DatasetTask task, std::string_view user,
                                                              std::string_view opening,
                                                              std::span<const std::string_view> names,
                                                              const SampleOptions& options, BadRecords bad_records);

/// The first of each: a name given twice asks once.
template <class T>
std::vector<T> without_repeats(const std::vector<T>& values) {
  std::vector<T> result;
  for (const T& value : values)
    if (std::find(result.begin(), result.end(), value) == result.end()) result.push_back(value);
  return result;
}

// What readers share.

/// Errors: format when it is missing or no string.
Result<std::string> required_text(const JsonFields& record, const char* field);
/// A string or an array of strings and numbers, as strings. Errors: format, also when it is missing or empty.
Result<std::vector<std::string>> required_answers(const JsonFields& record, const char* field);
/// null and absent: none.
Result<std::vector<std::string>> optional_texts(const JsonFields& record, const char* field);

/// The file `names` of --data (the first there is): in one of its folders, in their "data" folder, or one of the files
/// themselves; "" when there is none. any_file: a file that is named goes for it whatever its name.
std::string find_data_file(const std::vector<std::string>& data, const std::vector<std::string>& names, bool any_file);
/// What is missing, in words.
tl::unexpected<Error> no_data_file(std::string_view suite, std::string_view expected,
                                   const std::vector<std::string>& data);

}  // namespace tome
