#include "evaluation/ruler_tasks.h"

#include <array>

namespace tome {
namespace {

using H = RulerHaystackKind;
using W = RulerWordKind;
constexpr auto needles = RulerKind::needles;

constexpr std::array<RulerTask, 13> tasks = {{
    {"niah_single_1", needles, 128, H::noise, W::words, W::numbers, 1, 1, 1},
    {"niah_single_2", needles, 128, H::essay, W::words, W::numbers, 1, 1, 1},
    {"niah_single_3", needles, 128, H::essay, W::words, W::uuids, 1, 1, 1},
    {"niah_multikey_1", needles, 128, H::essay, W::words, W::numbers, 4, 1, 1},
    {"niah_multikey_2", needles, 128, H::needles, W::words, W::numbers, 1, 1, 1},
    {"niah_multikey_3", needles, 128, H::needles, W::uuids, W::uuids, 1, 1, 1},
    {"niah_multivalue", needles, 128, H::essay, W::words, W::numbers, 1, 4, 1},
    {"niah_multiquery", needles, 128, H::essay, W::words, W::numbers, 4, 1, 4},
    {"vt", RulerKind::variables, 30},
    {"cwe", RulerKind::common_words, 120},
    {"fwe", RulerKind::frequent_words, 50},
    {"qa_1", RulerKind::questions, 32},
    {"qa_2", RulerKind::questions, 32},
}};

}  // namespace

std::span<const RulerTask> ruler_tasks() { return tasks; }

}  // namespace tome
