#include "attention/pattern.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "base/digest.h"

namespace tome {
namespace {

constexpr std::uint64_t kPage = 64;
constexpr std::uint64_t kOverlap = 256;  ///< of window_v3's windows
constexpr std::uint64_t kMost = std::uint64_t{1} << 40;

struct Kind {
  std::string_view name;
  PatternKind kind;
  PatternOptions defaults;
  std::vector<std::string_view> keys;  ///< the first may be given without its name
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"full", PatternKind::full, {}, {}},
      {"window", PatternKind::window, {.kind = PatternKind::window, .window = 4096}, {"window"}},
      {"streaming",
       PatternKind::streaming,
       {.kind = PatternKind::streaming, .window = 4096, .sinks = 64},
       {"window", "sinks"}},
      {"duo", PatternKind::duo, {.kind = PatternKind::duo, .window = 4096, .sinks = 64}, {"window", "sinks"}},
      {"longformer",
       PatternKind::longformer,
       {.kind = PatternKind::longformer, .window = 4096, .globals = 64},
       {"window", "globals"}},
      {"bigbird",
       PatternKind::bigbird,
       {.kind = PatternKind::bigbird, .window = 3, .random = 3, .seed = 1},
       {"window", "random", "seed"}},
      {"window_v3", PatternKind::window_v3, {.kind = PatternKind::window_v3, .c = 8}, {"c"}},
      {"page_top_k", PatternKind::page_top_k, {.kind = PatternKind::page_top_k, .pages = 128}, {"pages"}},
  };
  return all;
}

const Kind& kind_of(PatternKind kind) {
  return *std::find_if(kinds().begin(), kinds().end(), [&](const Kind& k) { return k.kind == kind; });
}

Status set_option(PatternOptions& options, std::string_view pattern, std::string_view key, std::string_view text) {
  const auto refuse = [&](std::string_view expected) {
    return fail(ErrorKind::usage, "--attention {}: {}={}, expected {}", pattern, key, text, expected);
  };
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !(number >= 0) || number > double(kMost))
    return refuse("a number");
  if (key == "c") {
    if (!(number > 0)) return refuse("more than 0");
    options.c = number;
    return {};
  }
  if (number != std::floor(number)) return refuse("a whole number");
  const auto whole = static_cast<std::uint64_t>(number);
  if ((key == "window" || key == "pages") && whole == 0) return refuse("at least 1");
  (key == "window"    ? options.window
   : key == "sinks"   ? options.sinks
   : key == "globals" ? options.globals
   : key == "random"  ? options.random
   : key == "pages"   ? options.pages
                      : options.seed) = whole;
  return {};
}

std::uint64_t mix(std::uint64_t x) {  // splitmix64's finaliser
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/// Bits of keys [begin, end) within the page.
std::uint64_t interval_bits(std::uint64_t begin, std::uint64_t end, std::uint64_t page) {
  const std::uint64_t low = std::max(begin, page * kPage), high = std::min(end, (page + 1) * kPage);
  if (low >= high) return 0;
  const std::uint64_t count = high - low;
  return (count == kPage ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1) << (low - page * kPage);
}

/// The start that is nearest to `position` (the earlier of two) and less than `reach` away; else the position.
std::uint64_t nearest_start(std::uint64_t position, double reach, std::span<const std::uint64_t> starts) {
  const auto after = std::lower_bound(starts.begin(), starts.end(), position);
  std::uint64_t best = position;
  double distance = reach;
  if (after != starts.begin() && static_cast<double>(position - *(after - 1)) < distance) {
    best = *(after - 1);
    distance = static_cast<double>(position - best);
  }
  if (after != starts.end() && static_cast<double>(*after - position) < distance) best = *after;
  return best;
}

}  // namespace

Result<PatternOptions> parse_pattern(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const auto found = std::find_if(kinds().begin(), kinds().end(), [&](const Kind& k) { return k.name == name; });
  if (found == kinds().end()) {
    std::string names;
    for (const Kind& kind : kinds()) names += (names.empty() ? "" : ", ") + std::string(kind.name);
    return fail(ErrorKind::usage, "--attention {}: unknown, expected one of {}", name, names);
  }
  PatternOptions options = found->defaults;
  if (colon == std::string_view::npos) return options;
  bool first = true;
  for (std::size_t at = colon + 1; at <= text.size(); first = false) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string_view item = text.substr(at, comma - at);
    at = comma + 1;
    const std::size_t equals = item.find('=');
    std::string_view key = item.substr(0, equals), value = equals == item.npos ? item : item.substr(equals + 1);
    if (equals == item.npos && first && !found->keys.empty()) key = found->keys[0];
    if (std::find(found->keys.begin(), found->keys.end(), key) == found->keys.end()) {
      std::string keys;
      for (const std::string_view known : found->keys) keys += (keys.empty() ? "" : ", ") + std::string(known);
      return fail(ErrorKind::usage, "--attention {}: found '{}', expected {}", name, item,
                  keys.empty() ? "no settings" : keys);
    }
    TOME_TRY(set_option(options, name, key, value));
  }
  return options;
}

Result<LayerPattern> parse_layer_pattern(std::string_view text) {
  LayerPattern result;
  const std::size_t end = text.find_first_not_of("0123456789-,");
  if (end != 0 && end != std::string_view::npos && text[end] == '=') {
    for (std::size_t at = 0; at <= end; ++at) {
      const std::string_view item = text.substr(at, std::min(text.find(',', at), end) - at);
      at += item.size();
      const std::size_t dash = item.find('-');
      const auto number = [&](std::string_view digits, std::uint32_t& value) {
        const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        return error == std::errc() && rest == digits.data() + digits.size();
      };
      std::pair<std::uint32_t, std::uint32_t> range;
      if (!number(item.substr(0, dash), range.first) ||
          !number(dash == item.npos ? item : item.substr(dash + 1), range.second) || range.first > range.second)
        return fail(ErrorKind::usage, "--attention {}: layers '{}', expected such as 0-4,7", text, item);
      result.layers.push_back(range);
    }
    text.remove_prefix(end + 1);
  }
  TOME_ASSIGN(result.pattern, parse_pattern(text));
  return result;
}

std::string describe_pattern(const PatternOptions& options) {
  const Kind& kind = kind_of(options.kind);
  std::string text(kind.name);
  for (const std::string_view key : kind.keys) {
    text += text.size() == kind.name.size() ? ":" : ",";
    if (key == "c")
      text += fmt::format("c={:g}", options.c);
    else
      text += fmt::format("{}={}", key,
                          key == "window"    ? options.window
                          : key == "sinks"   ? options.sinks
                          : key == "globals" ? options.globals
                          : key == "random"  ? options.random
                          : key == "pages"   ? options.pages
                                             : options.seed);
  }
  return text;
}

bool has_globals(const PatternOptions& options) {
  return options.kind == PatternKind::longformer || options.kind == PatternKind::window_v3;
}

std::shared_ptr<const AttentionPattern> AttentionPattern::create(const PatternOptions& options, std::uint64_t n,
                                                                 std::vector<std::uint32_t> full_kv_heads,
                                                                 std::span<const std::uint64_t> sentence_starts) {
  if (options.kind == PatternKind::full) return nullptr;
  auto pattern = std::make_shared<AttentionPattern>();
  pattern->full_kv_heads_ = std::move(full_kv_heads);
  pattern->options_ = options;
  pattern->description_ = describe_pattern(options);
  pattern->n_ = n;
  const double root = std::sqrt(static_cast<double>(n));
  std::uint64_t globals = 0;
  if (options.kind == PatternKind::longformer) globals = std::min(options.globals, n);
  if (options.kind == PatternKind::window_v3) {
    globals = std::min(n, static_cast<std::uint64_t>(std::ceil(root)));
    const auto wanted = static_cast<std::uint64_t>(std::ceil(options.c * root));
    pattern->stride_ = std::max(kPage, (wanted + kPage - 1) / kPage * kPage);
  }
  if (has_globals(options) || options.kind == PatternKind::bigbird)
    pattern->description_ += fmt::format(" of {}", n);  // what depends on the length
  pattern->global_bits_.assign(globals == 0 ? 0 : (n + kPage - 1) / kPage, 0);
  const double spacing = globals == 0 ? 0.0 : static_cast<double>(n) / static_cast<double>(globals);
  for (std::uint64_t i = 0; i < globals; ++i) {
    const std::uint64_t position =
        nearest_start(static_cast<std::uint64_t>(static_cast<double>(i) * spacing), spacing / 2, sentence_starts);
    if (!pattern->globals_.empty() && pattern->globals_.back() == position) continue;
    pattern->globals_.push_back(position);
    pattern->global_bits_[position / kPage] |= std::uint64_t{1} << (position % kPage);
  }
  if (globals > 0 && !sentence_starts.empty())
    pattern->description_ +=
        fmt::format(", globals {}", sha256_hex(std::as_bytes(std::span(pattern->globals_))).substr(0, 8));
  if (globals > 0) {
    auto rest = std::make_shared<AttentionPattern>(*pattern);
    rest->globals_.clear();
    rest->global_bits_.clear();
    pattern->without_globals_ = std::move(rest);
  }
  return pattern;
}

/// Of the first keys, those that every query sees.
std::uint64_t AttentionPattern::sinks() const {
  return options_.kind == PatternKind::window_v3 ? kPage : options_.sinks;
}

bool AttentionPattern::sees_everything(std::uint64_t query) const {
  if (options_.kind == PatternKind::bigbird) return n_ > 0 && query < n_ && query / kPage == (n_ - 1) / kPage;
  return std::binary_search(globals_.begin(), globals_.end(), query);
}

std::uint64_t AttentionPattern::window_begin(std::uint64_t query) const {
  switch (options_.kind) {
    case PatternKind::window_v3: {
      const std::uint64_t start = query / stride_ * stride_;
      return start > kOverlap ? start - kOverlap : 0;
    }
    case PatternKind::bigbird: {
      const std::uint64_t block = query / kPage;
      return block + 1 > options_.window ? (block + 1 - options_.window) * kPage : 0;
    }
    case PatternKind::page_top_k:
      return 0;
    default:
      return query + 1 > options_.window ? query + 1 - options_.window : 0;
  }
}

/// The blocks between the first and the window, in `random` equal parts: one of each part.
bool AttentionPattern::random_block(std::uint64_t query_block, std::uint64_t key_block) const {
  const std::uint64_t end = query_block + 1 > options_.window ? query_block + 1 - options_.window : 0;
  if (options_.random == 0 || key_block < 1 || key_block >= end) return false;
  const std::uint64_t count = end - 1, parts = std::min(options_.random, count);
  const std::uint64_t place = key_block - 1, part = place * parts / count;
  const std::uint64_t begin = (part * count + parts - 1) / parts, next = ((part + 1) * count + parts - 1) / parts;
  return begin + mix(mix(options_.seed ^ mix(query_block)) + part) % (next - begin) == place;
}

bool AttentionPattern::may_see(std::uint64_t first_query, std::uint64_t last_query, std::uint64_t page) const {
  const std::uint64_t key = page * kPage;
  if (key > last_query) return false;
  if (key + kPage > window_begin(first_query)) return true;
  switch (options_.kind) {
    case PatternKind::streaming:
    case PatternKind::duo:
      return key < sinks();
    case PatternKind::longformer:
    case PatternKind::window_v3: {
      if (key < sinks() || (page < global_bits_.size() && global_bits_[page] != 0)) return true;
      const auto next = std::lower_bound(globals_.begin(), globals_.end(), first_query);
      return next != globals_.end() && *next <= last_query;
    }
    case PatternKind::bigbird:
      if (page == 0 || (n_ > 0 && last_query >= (n_ - 1) / kPage * kPage && first_query < n_)) return true;
      for (std::uint64_t block = first_query / kPage; block <= last_query / kPage; ++block)
        if (random_block(block, page)) return true;
      return false;
    default:
      return false;
  }
}

std::uint64_t AttentionPattern::next_page(std::uint64_t first_query, std::uint64_t page) const {
  const bool two_runs = options_.kind == PatternKind::streaming || options_.kind == PatternKind::duo ||
                        (has_globals(options_) && globals_.empty());
  if (!two_runs || page * kPage < sinks()) return page;
  return std::max(page, window_begin(first_query) / kPage);
}

std::uint64_t AttentionPattern::bits(std::uint64_t query, std::uint64_t page) const {
  const std::uint64_t causal = interval_bits(0, query + 1, page);
  if (causal == 0 || sees_everything(query)) return causal;
  std::uint64_t seen = interval_bits(window_begin(query), query + 1, page);
  switch (options_.kind) {
    case PatternKind::streaming:
    case PatternKind::duo:
    case PatternKind::window_v3:
    case PatternKind::longformer:
      seen |= interval_bits(0, sinks(), page);
      if (page < global_bits_.size()) seen |= global_bits_[page];
      break;
    case PatternKind::bigbird:
      if (page == 0 || random_block(query / kPage, page)) seen = ~std::uint64_t{0};
      break;
    default:
      break;
  }
  return seen & causal;
}

std::size_t AttentionPattern::first_global(std::uint64_t position) const {
  return static_cast<std::size_t>(std::lower_bound(globals_.begin(), globals_.end(), position) - globals_.begin());
}

std::pair<std::size_t, std::size_t> AttentionPattern::globals_beyond(std::uint64_t query) const {
  const std::size_t begin = first_global(sinks());
  return {begin, std::max(begin, first_global(window_begin(query)))};
}

bool AttentionPattern::shows_all_to(std::uint32_t kv_head) const {
  return std::find(full_kv_heads_.begin(), full_kv_heads_.end(), kv_head) != full_kv_heads_.end();
}

std::uint64_t AttentionPattern::first_key(std::uint64_t query) const {
  return options_.kind == PatternKind::window ? window_begin(query) : 0;
}

}  // namespace tome
