#include "evaluation/sources.h"

#include "evaluation/dataset_sources.h"
#include "evaluation/niah.h"
#include "evaluation/ruler_source.h"

namespace tome {

Result<std::unique_ptr<SampleSource>> make_source(Suite suite, const SampleOptions& options) {
  switch (suite) {
    case Suite::niah:
      return make_niah_source(options);
    case Suite::cue: {
      SampleOptions with_baselines = options;
      with_baselines.baselines = true;
      return make_niah_source(with_baselines);
    }
    case Suite::ruler:
      return make_ruler_source(options);
    case Suite::longbench:
      return make_longbench_source(options);
    case Suite::longbench_v2:
      return make_longbench_v2_source(options);
    case Suite::infinitebench:
      return make_infinitebench_source(options);
    case Suite::kv_retrieval:
      return make_kv_retrieval_source(options);
    case Suite::bookqa:
      return make_bookqa_source(options);
    case Suite::govreport:
      return make_govreport_source(options);
    case Suite::qmsum:
      return make_qmsum_source(options);
    case Suite::perplexity:
      break;
  }
  return fail(ErrorKind::usage, "[eval] {}: no samples", suite_name(suite));
}

}  // namespace tome
