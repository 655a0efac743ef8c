#pragma once
// `tome extend`: makes a model read further than it was trained to, by scaled positions and a little training. A
// program of its own beside `tome`, which starts it: only this one needs libtorch.

namespace tome::extend {

/// The exit code: 0, 2 for usage, 1 for failure, 130 after Ctrl-C.
int run(int argc, char** argv);

}  // namespace tome::extend
