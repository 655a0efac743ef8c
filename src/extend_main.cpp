#include "extend/extend_command.h"

int main(int argc, char** argv) { return tome::extend::run(argc, argv); }
