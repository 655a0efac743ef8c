#include "evaluation/sample.h"

namespace tome {

std::string_view condition_name(Condition condition) {
  switch (condition) {
    case Condition::full:
      return "full";
    case Condition::evidence_only:
      return "evidence_only";
    case Condition::no_context:
      return "no_context";
  }
  return "";
}

}  // namespace tome
