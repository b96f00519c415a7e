-- wrk: asks the paths of PATHS (one a line) in turn.
-- Requests are made beforehand: the generator shares the cores with what it measures.
local requests, at = {}, 0
function init(args)
  for line in io.lines(os.getenv("PATHS")) do requests[#requests + 1] = wrk.format("GET", line) end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
