-- wrk: asks about the places of ASKED (lon,lat a line) in turn; QUESTION is the path with %s for the place.
-- Requests are made beforehand: the generator shares the cores with what it measures.
local requests, at = {}, 0
function init(args)
  for line in io.lines(os.getenv("ASKED")) do
    requests[#requests + 1] = wrk.format("GET", string.format(os.getenv("QUESTION"), line))
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
