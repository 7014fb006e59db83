-- The plain cases for wrk, which costs far less CPU than k6: `wrk … -s wrk.lua URL -- list|get|create|pages SIZE`.
-- LOAD_DEFINITION names definition.json, LOAD_OUT the file for the outcome: requests, seconds, p50, p95 and p99 in milliseconds, errors.
local threads = 0

function setup(thread)
  thread:set("thread", threads)
  threads = threads + 1
end

local function text_of(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

function init(args)
  local case = args[1]
  local count = 0
  math.randomseed(os.time() + thread * 7919)
  if case == "list" then
    local it = wrk.format("GET", "/api/v1/metrics?limit=12")
    request = function() return it end
  elseif case == "get" then
    local each = {}
    for i = 1, 12 do each[i] = wrk.format("GET", "/api/v1/metrics/LOAD-" .. i) end
    request = function() return each[math.random(12)] end
  elseif case == "pages" then
    local size = tonumber(args[2])
    local each = {}
    for i = 1, 1000 / size do each[i] = wrk.format("GET", "/api/v1/metrics?limit=" .. size .. "&page=" .. i) end
    request = function() return each[math.random(#each)] end
  elseif case == "create" then
    local template = text_of(os.getenv("LOAD_DEFINITION"))
    local headers = { ["Content-Type"] = "application/json" }
    -- The warm-up is a run of its own: its identifiers must differ.
    local run = os.time() .. "-" .. thread .. "-"
    request = function()
      count = count + 1
      return wrk.format("POST", "/api/v1/metrics", headers, (template:gsub("@ID@", "LOAD-" .. run .. count)))
    end
  else
    error("no such case: " .. tostring(case))
  end
end

function done(summary, latency)
  local errors = summary.errors
  local out = assert(io.open(os.getenv("LOAD_OUT"), "w"))
  out:write(string.format("%d %.3f %.2f %.2f %.2f %d\n",
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
  out:close()
end
