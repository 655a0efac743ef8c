#pragma once
// Members of zip files, streamed: Python wheels and packed data sets. Archives come from the network: sizes are bounded
// by the caller, names are given as they stand and are not yet fit to be paths.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tome {

/// Goes through the members in the order of their full names (folders with '/'; of two with one name the first); of
/// those that `wanted` takes the bytes go to `consume`, piece by piece, with the member's name (at least one piece
/// each, an empty one for an empty member). Errors: format (not a zip, damaged, more than `limit` bytes in all),
/// cancelled, and what `consume` returns.
Status read_zip_members(const std::string& archive, const std::function<bool(const std::string& name)>& wanted,
                        std::uint64_t limit,
                        const std::function<Status(const std::string& name, std::span<const std::byte>)>& consume);

/// The members whose file name (without its folder) starts with `name`. Errors: as above, format when there is none.
Status read_wheel_members(const std::string& wheel, std::string_view name, std::uint64_t limit,
                          const std::function<Status(std::span<const std::byte>)>& consume);

}  // namespace tome
