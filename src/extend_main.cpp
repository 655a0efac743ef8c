#include "extend/extend_command.h"
#include "training/tensor_memory.h"

int main(int argc, char** argv) {
  tome::use_tensor_memory();
  return tome::extend::run(argc, argv);
}
