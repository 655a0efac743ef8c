#pragma once
// Stop strings over a stream of text: a stop string may begin in one token and end in another, and no byte of it is
// ever passed on. Text that could still become a stop string is held back until it cannot. One stream, one object; not
// shared.
#include <string>
#include <string_view>
#include <vector>

namespace tome {

class StopStrings {
 public:
  /// Empty strings are ignored: they would stop everything at once.
  explicit StopStrings(std::vector<std::string> stops);
  /// Takes text in; returns what is safe to pass on. After a stop was found everything else is dropped.
  std::string push(std::string_view text);
  /// The held-back rest, when the stream ends without a stop.
  std::string finish();
  bool stopped() const { return stopped_; }
  /// The stop string that was found; empty before that.
  const std::string& found() const { return found_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  std::string found_;
  bool stopped_ = false;
};

}  // namespace tome
