-- For wrk: posts one TokenReview for each line of a token file, in the file's order.
-- Arguments after `--`: the token file; "keep" or "close" (a new connection for each review); "once" or "again"
-- (repeat the file); reviews per second, 0 for as fast as responses arrive; "check" to count the responses that
-- accept the user.

local path, again
local lines, head, tail, last
local open = '{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","metadata":{"creationTimestamp":null},'
  .. '"spec":{"token":"'
local close = '"},"status":{"user":{}}}\n'

exhausted, accepted = 0, 0

local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

-- A schedule that does not wait for responses needs a clock, and wrk's own can't be read.
local function schedule(per_second)
  local ffi = require("ffi")
  ffi.cdef("typedef struct { long s; long ns; } when_t; int clock_gettime(int clock, when_t *now);")
  local now, slot = ffi.new("when_t"), nil
  return function()
    ffi.C.clock_gettime(1, now)
    local milliseconds = tonumber(now.s) * 1000 + tonumber(now.ns) / 1e6
    slot = slot and slot + 1000 / per_second or milliseconds
    return math.max(0, math.floor(slot - milliseconds))
  end
end

function init(args)
  path, again = args[1], args[3] == "again"
  lines = assert(io.lines(path))
  -- The order of the headers is that of kube-apiserver's net/http; see authd/emulator/kube_apiserver.py.
  head = "POST /authenticate?timeout=30s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Go-http-client/1.1\r\n"
    .. "Content-Length: "
  tail = "\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n"
    .. (args[2] == "close" and "Connection: close\r\n" or "") .. "\r\n"
  if tonumber(args[4]) > 0 then delay = schedule(tonumber(args[4])) end
  if args[5] == "check" then
    response = function(status, _, body)
      if status == 200 and body:find('"authenticated":true', 1, true) then accepted = accepted + 1 end
    end
  end
end

function request()
  local token = lines and lines()
  if not token and again then
    lines = io.lines(path)
    token = lines()
  end
  if token then
    last = head .. (#open + #token + #close) .. tail .. open .. token .. close
  else
    lines, exhausted = nil, 1
    wrk.thread:stop()
  end
  return last
end

-- One line of JSON. Latencies are in microseconds, as in wrk.
function done(summary, latency)
  local errors, share = summary.errors, {}
  for _, percent in ipairs({1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 99.9}) do
    share[#share + 1] = string.format('"%g":%d', percent, latency:percentile(percent))
  end
  print(string.format(
    'RESULT {"requests":%d,"microseconds":%d,"failed":%d,"refused":%d,"accepted":%d,"exhausted":%d,"latency":{%s}}',
    summary.requests, summary.duration, errors.connect + errors.read + errors.write + errors.timeout,
    errors.status, threads[1]:get("accepted"), threads[1]:get("exhausted"), table.concat(share, ",")))
end
