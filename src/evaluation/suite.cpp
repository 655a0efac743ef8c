#include "evaluation/suite.h"

#include <utility>

namespace tome {
namespace {

constexpr std::pair<Suite, std::string_view> names[] = {{Suite::niah, "niah"},
                                                        {Suite::ruler, "ruler"},
                                                        {Suite::longbench, "longbench"},
                                                        {Suite::longbench_v2, "longbench-v2"},
                                                        {Suite::infinitebench, "infinitebench"},
                                                        {Suite::bookqa, "bookqa"},
                                                        {Suite::govreport, "govreport"},
                                                        {Suite::qmsum, "qmsum"},
                                                        {Suite::kv_retrieval, "kv-retrieval"},
                                                        {Suite::perplexity, "perplexity"},
                                                        {Suite::cue, "cue"}};

}  // namespace

std::string_view suite_name(Suite suite) {
  for (const auto& [one, name] : names)
    if (one == suite) return name;
  return "";
}

std::optional<Suite> suite_by_name(std::string_view name) {
  for (const auto& [suite, one] : names)
    if (one == name) return suite;
  return std::nullopt;
}

}  // namespace tome
