#pragma once
// A model hub on 127.0.0.1, with the troubles that hubs have.
#include <httplib.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/digest.h"
#include "hub/model_hub.h"

namespace tome {

class HubServer {
 public:
  struct Request {
    std::string method, path, range, authorization;
  };

  std::map<std::string, std::string> files;  ///< name → bytes
  std::string listing;                       ///< body of api/models/…; empty: made from files
  std::string sha256;                        ///< told instead of the true one
  std::string linked_size;                   ///< told instead of the true one
  bool ignores_range = false;
  bool tells_etag = true;
  std::string token;           ///< asked for when not empty
  std::string storage;         ///< other server's address, redirected to
  int unavailable = 0;         ///< replies of 503 before it works
  int cuts = 0;                ///< GETs that end half way
  std::size_t slow_piece = 0;  ///< bytes, each followed by 20 ms

  HubServer() {
    server_.set_keep_alive_max_count(1);
    server_.Get(R"(/api/(?:models|datasets)/(.+))",
                [this](const httplib::Request& request, httplib::Response& response) {
                  if (!enter(request, response)) return;
                  std::string body = listing;
                  if (body.empty()) {
                    for (const auto& [name, bytes] : files)
                      body += (body.empty() ? "" : ",") + ("{\"rfilename\":\"" + name + "\"}");
                    body = "{\"siblings\":[" + body + "],\"cardData\":{\"license\":\"apache-2.0\"}}";
                  }
                  response.set_content(body, "application/json");
                });
    server_.Get(R"((?:/datasets)?/[^/]+/[^/]+/resolve/main/(.+))",
                [this](const httplib::Request& request, httplib::Response& response) {
                  if (enter(request, response)) serve(request, response, request.matches[1]);
                });
    server_.Get(R"(/storage/(.+))", [this](const httplib::Request& request, httplib::Response& response) {
      if (enter(request, response)) serve(request, response, request.matches[1]);
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ~HubServer() {
    server_.stop();
    thread_.join();
  }

  std::string address() const { return "http://127.0.0.1:" + std::to_string(port_); }
  HubSettings settings(const std::string& with_token = {}) const {
    return {.endpoint = address(), .token = with_token, .attempts = 3, .retry_seconds = 0.01, .stall_seconds = 5};
  }
  std::vector<Request> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  std::vector<Request> gets() {
    std::vector<Request> list = requests();
    std::erase_if(list, [](const Request& request) { return request.method != "GET"; });
    return list;
  }

 private:
  bool enter(const httplib::Request& request, httplib::Response& response) {
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(
          {request.method, request.path, request.get_header_value("Range"), request.get_header_value("Authorization")});
    }
    if (unavailable > 0) {
      --unavailable;
      response.status = 503;
      return false;
    }
    if (!token.empty() && request.get_header_value("Authorization") != "Bearer " + token) {
      response.status = request.has_header("Authorization") ? 403 : 401;
      return false;
    }
    return true;
  }

  void serve(const httplib::Request& request, httplib::Response& response, const std::string& name) {
    const auto found = files.find(name);
    if (found == files.end()) {
      response.status = 404;
      return;
    }
    const std::string& bytes = found->second;
    const std::string digest = sha256.empty() ? sha256_hex(std::as_bytes(std::span(bytes))) : sha256;
    if (tells_etag) response.set_header("X-Linked-Etag", "\"" + digest + "\"");
    if (!linked_size.empty() || tells_etag) {
      response.set_header("X-Linked-Size", linked_size.empty() ? std::to_string(bytes.size()) : linked_size);
    }
    if (!storage.empty()) {
      response.set_redirect(storage + "/storage/" + name, 302);
      return;
    }
    const bool cut = request.method == "GET" && cuts > 0;
    if (cut) --cuts;
    if (ignores_range) const_cast<httplib::Request&>(request).ranges.clear();
    response.set_content_provider(bytes.size(), "application/octet-stream",
                                  [this, &bytes, cut](std::size_t offset, std::size_t length, httplib::DataSink& sink) {
                                    if (cut && offset >= bytes.size() / 2) return false;
                                    std::size_t count = std::min<std::size_t>(length, 16384);
                                    if (cut) count = std::min(count, bytes.size() / 2 - offset);
                                    if (slow_piece > 0) {
                                      count = std::min(count, slow_piece);
                                      std::this_thread::sleep_for(std::chrono::milliseconds(20));
                                    }
                                    return sink.write(bytes.data() + offset, count);
                                  });
  }

  httplib::Server server_;
  std::thread thread_;
  int port_ = 0;
  std::mutex mutex_;
  std::vector<Request> requests_;
};

}  // namespace tome
