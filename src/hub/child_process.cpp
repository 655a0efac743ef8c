#include "hub/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/cancel.h"

namespace tome {
namespace {

std::vector<std::string> merged_environment(const std::vector<std::pair<std::string, std::string>>& added) {
  std::vector<std::string> merged;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    bool replaced = false;
    for (const auto& [name, value] : added) replaced = replaced || text.starts_with(name + "=");
    if (!replaced) merged.emplace_back(text);
  }
  for (const auto& [name, value] : added) merged.push_back(name + "=" + value);
  return merged;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> list;
  for (std::string& string : strings) list.push_back(string.data());
  list.push_back(nullptr);
  return list;
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

/// Two seconds to end in peace.
void stop(pid_t child) {
  ::kill(-child, SIGTERM);
  for (int i = 0; i < 20; ++i) {
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child) return;
    ::usleep(100'000);
  }
  ::kill(-child, SIGKILL);
  wait_for(child);
}

}  // namespace

Result<ChildResult> run_child(const std::vector<std::string>& arguments,
                              const std::vector<std::pair<std::string, std::string>>& environment,
                              const std::function<void()>& poll) {
  std::array<int, 2> pipe_ends{};
  if (::pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return fail(ErrorKind::io, "pipe: {}", std::strerror(errno));
  std::vector<std::string> words = arguments, variables = merged_environment(environment);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // Its own group, so that what it starts ends with it.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  pid_t child = 0;
  const int reason = ::posix_spawnp(&child, words.front().c_str(), &actions, &attributes, pointers(words).data(),
                                    pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  ::close(pipe_ends[1]);
  if (reason != 0) {
    ::close(pipe_ends[0]);
    return fail(ErrorKind::io, "{}: {}", words.front(), std::strerror(reason));
  }
  ChildResult result;
  while (true) {
    if (cancel_requested()) {
      stop(child);
      ::close(pipe_ends[0]);
      return fail(ErrorKind::cancelled, "cancelled");
    }
    if (poll) poll();
    pollfd readable{.fd = pipe_ends[0], .events = POLLIN, .revents = 0};
    if (::poll(&readable, 1, 100) <= 0) continue;
    std::array<char, 4096> buffer{};
    const ssize_t count = ::read(pipe_ends[0], buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    result.errors.append(buffer.data(), static_cast<std::size_t>(count));
    if (result.errors.size() > (1U << 17)) result.errors.erase(0, result.errors.size() - (1U << 16));
  }
  ::close(pipe_ends[0]);
  const int status = wait_for(child);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace tome
