// Snapshot bytes → a sequence's state, whose every page is then read: what `ask` does with a file of its cache folder.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cache/snapshot_cases.h"
#include "message_sink.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int descriptor = ::memfd_create("snapshot", MFD_CLOEXEC);
  if (descriptor < 0 || ::write(descriptor, data, size) != static_cast<ssize_t>(size)) __builtin_trap();
  const auto loaded = tome::load_snapshot("/proc/self/fd/" + std::to_string(descriptor),
                                          tome::test::snapshot_identity(), tome::test::snapshot_layout());
  ::close(descriptor);
  tome::fuzz::tell(loaded);
  if (!loaded) return 0;
  for (std::size_t layer = 0; layer < loaded->state.layer_count(); ++layer) {
    const tome::PagedKv& kv = loaded->state.kv(layer);
    std::vector<float> rows(tome::kPageKeys * kv.layout().head_dim);
    for (const std::uint64_t page : kv.kept_pages()) tome::read_keys(kv.layout(), kv.page(page), 0, rows.data());
  }
  return 0;
}
