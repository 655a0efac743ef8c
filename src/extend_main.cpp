#include <malloc.h>

#include "extend/extend_command.h"

int main(int argc, char** argv) {
  // A step allocates and frees the same tensors over and over: they stay with the program, or every one of them is
  // cleared again by the kernel (8 % of a step).
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  return tome::extend::run(argc, argv);
}
