#pragma once
// The cases of tests/golden/evaluation (make_scores.py), one JSON array a line.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "base/json.h"
#include "evaluation/python_text.h"

namespace tome::testing {

inline std::string evaluation_golden(const std::string& name) {
  return std::string(TOME_TEST_DATA) + "/evaluation/" + name;
}

inline std::vector<Json> golden_lines(const std::string& name) {
  std::ifstream file(evaluation_golden(name));
  std::vector<Json> cases;
  for (std::string line; std::getline(file, line);) {
    const auto parsed = parse_json(line, name);
    EXPECT_TRUE(parsed) << name << ": " << line;
    if (parsed) cases.push_back(*parsed);
  }
  EXPECT_GE(cases.size(), 300u) << name;
  return cases;
}

inline python::Text text_at(const Json& row, std::size_t column) {
  return python::decode(row[column].get<std::string>());
}

inline std::vector<std::string> texts_at(const Json& row, std::size_t column) {
  std::vector<std::string> texts;
  for (const Json& one : row[column]) texts.push_back(one.is_string() ? one.get<std::string>() : one.dump());
  return texts;
}

}  // namespace tome::testing
