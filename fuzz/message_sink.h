#pragma once
// Where a fuzzer tells what its parser said. Off while fuzzing; replay_main.cpp --messages collects.
#include <set>
#include <string>

namespace tome::fuzz {

inline std::set<std::string>* collected_messages = nullptr;

template <class Result>
void tell(const Result& result) {
  if (collected_messages != nullptr && !result) collected_messages->insert(result.error().message);
}

}  // namespace tome::fuzz
