#pragma once
// The suites that ask questions out of data in a benchmark's official format, one file of code a suite. --data names a
// folder that holds the files, or files. The prompts' wording is our own; --prompts takes the official one (task →
// template, LongBench's own file of them as it is). docs/evaluation-data.md shows each format.
#include "evaluation/dataset_source.h"

namespace tome {

/// LongBench v1: {task}.jsonl of 21 tasks, and -E: {task}_e.jsonl of 13. No --task: the v1 files that are there; "e":
/// the -E files that are there; a run has tasks of one of the two. Samples of -E go by the task's name without _e.
Result<std::unique_ptr<SampleSource>> make_longbench_source(const SampleOptions& options,
                                                            BadRecords bad_records = BadRecords::skip);
/// data.json or data.jsonl.
Result<std::unique_ptr<SampleSource>> make_longbench_v2_source(const SampleOptions& options,
                                                               BadRecords bad_records = BadRecords::skip);
/// {task}.jsonl of 12 tasks.
Result<std::unique_ptr<SampleSource>> make_infinitebench_source(const SampleOptions& options,
                                                                BadRecords bad_records = BadRecords::skip);
/// Lost-in-the-middle's key-value form. With depths: the record that is asked for is moved to each of them.
Result<std::unique_ptr<SampleSource>> make_kv_retrieval_source(const SampleOptions& options,
                                                               BadRecords bad_records = BadRecords::skip);
/// NarrativeQA's form.
Result<std::unique_ptr<SampleSource>> make_bookqa_source(const SampleOptions& options,
                                                         BadRecords bad_records = BadRecords::skip);
Result<std::unique_ptr<SampleSource>> make_govreport_source(const SampleOptions& options,
                                                            BadRecords bad_records = BadRecords::skip);
/// A meeting a line, each of its queries a sample; the meeting is the cluster.
Result<std::unique_ptr<SampleSource>> make_qmsum_source(const SampleOptions& options,
                                                        BadRecords bad_records = BadRecords::skip);

}  // namespace tome
