#pragma once
// The style sheet of the report's page, plots included.
#include <string>

namespace tome {

std::string report_style();

}  // namespace tome
