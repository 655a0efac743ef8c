#pragma once
// Python wheels are zip files. Only what is needed of them: the members with a given file name, streamed in order. The
// archive comes from the network: sizes are bounded by the caller, names are compared and never used as paths.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tome {

/// Streams every member whose file name (without its folder) starts with `name`, in the order of their full names.
/// Errors: format (not a zip, no such member, damaged, more than `limit` bytes), cancelled, and what `consume` returns.
Status read_wheel_members(const std::string& wheel, std::string_view name, std::uint64_t limit,
                          const std::function<Status(std::span<const std::byte>)>& consume);

}  // namespace tome
