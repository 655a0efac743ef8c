#include "cli/cli.h"

int main(int argc, char** argv) { return tome::cli::run(argc, argv); }
